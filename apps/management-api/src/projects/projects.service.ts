import { Inject, Injectable } from '@nestjs/common';
import { type Clock, CLOCK } from '@flatline/service-kernel';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { hashApiKey, newApiKey, shownPrefix } from '../auth/api-key';
import type { NewProject } from './project-schemas';

/** Tenants. A project and its first key come to be together or not at all. */
@Injectable()
export class ProjectsService {
  constructor(
    private readonly dataSource: DataSource,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async create(name: string): Promise<NewProject> {
    const now = new Date(this.clock.now());
    const id = uuidv7();
    const key = newApiKey();
    await this.dataSource.transaction(async (manager) => {
      await manager.query('INSERT INTO project (id, name, created_at) VALUES ($1, $2, $3)', [id, name, now]);
      await manager.query(
        `INSERT INTO api_key (id, project_id, name, prefix, hash, scope, created_at)
         VALUES ($1, $2, 'first key', $3, $4, 'admin', $5)`,
        [uuidv7(), id, shownPrefix(key), hashApiKey(key), now],
      );
    });
    return { id, name, api_key: key };
  }
}
