import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type FlatlineConfig } from '@flatline/service-kernel';
import { DataSource } from 'typeorm';
import { rfc3339 } from '../requests/fields';
import { type HistoryPage, pageOf } from '../requests/page';
import type { BlackoutList } from './blackout-schemas';

interface OutageRow {
  started_at: Date;
  ended_at: Date;
  affects_project: boolean;
}

/** No two outages begin in the same instant, so the instant alone says where a page ended. */
const NO_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Times in which jobs could not reach Flatline, a lease or longer, newest first. They are noted for each shard by the
 * scheduler; blackouts of several shards that overlap are one outage to those who read.
 */
@Injectable()
export class BlackoutsService {
  constructor(
    @Inject(CONFIG) private readonly config: FlatlineConfig,
    private readonly dataSource: DataSource,
  ) {}

  async list(projectId: string, { limit, cursor }: HistoryPage): Promise<BlackoutList> {
    const found = await this.dataSource.query<OutageRow[]>(
      `WITH blackout AS (
         SELECT shard, started_at, ended_at,
           coalesce(started_at > max(ended_at) OVER (ORDER BY started_at, shard
             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), true) AS begins_outage
         FROM absence
         WHERE ended_at - started_at >= make_interval(secs => $1) AND ($2::timestamptz IS NULL OR started_at < $2)
       ), numbered AS (
         SELECT shard, started_at, ended_at, count(*) FILTER (WHERE begins_outage) OVER (ORDER BY started_at, shard) AS outage
         FROM blackout
       ), own_shard AS (
         SELECT DISTINCT r.shard FROM heartbeat h JOIN heartbeat_runtime r ON r.heartbeat_id = h.id
         WHERE h.project_id = $4 AND h.deleted_at IS NULL
       )
       SELECT min(started_at) AS started_at, max(ended_at) AS ended_at, bool_or(own_shard.shard IS NOT NULL) AS affects_project
       FROM numbered LEFT JOIN own_shard USING (shard)
       GROUP BY outage ORDER BY started_at DESC LIMIT $3`,
      [this.config.INGEST_LEASE_SECONDS, cursor ? new Date(cursor.at) : null, limit + 1, projectId],
    );
    const { rows, nextCursor } = pageOf(found, limit, (row) => ({ at: row.started_at.getTime(), id: NO_ID }));
    return {
      blackouts: rows.map((row) => ({
        started_at: rfc3339(row.started_at.getTime()),
        ended_at: rfc3339(row.ended_at.getTime()),
        affects_project: row.affects_project,
      })),
      next_cursor: nextCursor,
    };
  }
}
