import type { PingCredential } from '@flatline/domain';
import type { DefinitionListener, DefinitionNotice } from '@flatline/persistence';
import type { DataSource } from 'typeorm';

/** How a ping of a credential is to be answered. `gone`: deleted, or the token was replaced. */
export type Standing = 'live' | 'paused' | 'gone';

interface Exception {
  readonly version: number;
  readonly paused: boolean;
  readonly deleted: boolean;
  readonly tokenGeneration: number;
}

interface ExceptionalRow {
  id: string;
  version: number;
  token_generation: number;
  paused: boolean;
  deleted: boolean;
}

/**
 * What an ingest knows about heartbeats: the exceptions. A valid token is live unless its heartbeat is known to be
 * deleted, paused or rotated. It shapes the answer only; what a ping counts for is decided by the scheduler. When
 * Postgres is away, the last knowledge stays.
 */
export class IngestDirectory implements DefinitionListener {
  private exceptions = new Map<string, Exception>();

  constructor(private readonly dataSource: DataSource) {}

  standing({ heartbeatId, generation }: PingCredential): Standing {
    const known = this.exceptions.get(heartbeatId);
    if (!known) return 'live';
    if (known.deleted || generation < known.tokenGeneration) return 'gone';
    return known.paused ? 'paused' : 'live';
  }

  get size(): number {
    return this.exceptions.size;
  }

  async onConnected(): Promise<void> {
    const rows = await this.dataSource.query<ExceptionalRow[]>(
      `SELECT id, version, token_generation, pause_spans @> '[{"resumedAt": null}]' AS paused,
              deleted_at IS NOT NULL AS deleted
       FROM heartbeat
       WHERE deleted_at IS NOT NULL OR token_generation > 0 OR pause_spans @> '[{"resumedAt": null}]'`,
    );
    this.exceptions = new Map(
      rows.map(({ id, token_generation: tokenGeneration, ...row }) => [id, { ...row, tokenGeneration }]),
    );
  }

  onNotice({ heartbeatId, ...notice }: DefinitionNotice): void {
    const known = this.exceptions.get(heartbeatId);
    if (known && known.version > notice.version) return;
    if (notice.deleted || notice.paused || notice.tokenGeneration > 0) this.exceptions.set(heartbeatId, notice);
    else this.exceptions.delete(heartbeatId);
  }
}
