import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { ApiKeyScope } from '@flatline/persistence';
import { DataSource } from 'typeorm';
import { hashApiKey } from './api-key';
import type { Caller } from './caller';

interface KeyRow {
  id: string;
  project_id: string;
  hash: Buffer;
  scope: ApiKeyScope;
  instance_admin: boolean;
}

/** Finds out whose key a request carries. */
@Injectable()
export class ApiKeys {
  constructor(private readonly dataSource: DataSource) {}

  /** The caller behind a key; null for one that is unknown or revoked. */
  async callerOf(key: string): Promise<Caller | null> {
    const hash = hashApiKey(key);
    const [row] = await this.dataSource.query<KeyRow[]>(
      `SELECT id, project_id, hash, scope, instance_admin FROM api_key WHERE hash = $1 AND revoked_at IS NULL`,
      [hash],
    );
    // The index has compared already, but not in constant time; what a hash's timing tells leads back to no key.
    if (!row || !timingSafeEqual(row.hash, hash)) return null;
    return { keyId: row.id, projectId: row.project_id, scope: row.scope, instanceAdmin: row.instance_admin };
  }
}
