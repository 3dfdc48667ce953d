import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { rfc3339 } from '../requests/fields';
import { type HistoryPage, pageOf } from '../requests/page';
import type { IncidentList, PingList, TransitionList } from './history-schemas';

interface PingRow {
  id: string;
  received_at: Date;
  kind: PingList['pings'][number]['kind'];
}

interface IncidentRow {
  id: string;
  started_at: Date;
  ended_at: Date | null;
  reason: IncidentList['incidents'][number]['reason'];
  misses: number;
  raised_in_error: boolean;
}

interface TransitionRow {
  id: string;
  kind: TransitionList['transitions'][number]['kind'];
  occurred_at: Date;
  incident_id: string | null;
  last_at: Date | null;
  misses: number | null;
  blackout_started_at: Date | null;
  blackout_ended_at: Date | null;
}

/** What happened to a heartbeat, newest first. Written by the scheduler, read here. */
@Injectable()
export class HistoryService {
  constructor(private readonly dataSource: DataSource) {}

  async pings(heartbeatId: string, page: HistoryPage): Promise<PingList> {
    const found = await this.newestFirst<PingRow>('ping', 'received_at', 'id, received_at, kind', heartbeatId, page);
    const { rows, nextCursor } = pageOf(found, page.limit, (row) => ({ at: row.received_at.getTime(), id: row.id }));
    return {
      pings: rows.map((row) => ({
        id: row.id,
        heartbeat_id: heartbeatId,
        pinged_at: rfc3339(row.received_at.getTime()),
        kind: row.kind,
      })),
      next_cursor: nextCursor,
    };
  }

  async incidents(heartbeatId: string, page: HistoryPage): Promise<IncidentList> {
    const columns = 'id, started_at, ended_at, reason, misses, raised_in_error';
    const found = await this.newestFirst<IncidentRow>('incident', 'started_at', columns, heartbeatId, page);
    const { rows, nextCursor } = pageOf(found, page.limit, (row) => ({ at: row.started_at.getTime(), id: row.id }));
    return {
      incidents: rows.map((row) => ({
        id: row.id,
        started_at: rfc3339(row.started_at.getTime()),
        ended_at: rfc3339(row.ended_at?.getTime() ?? null),
        reason: row.reason,
        misses: row.misses,
        raised_in_error: row.raised_in_error,
      })),
      next_cursor: nextCursor,
    };
  }

  async transitions(heartbeatId: string, page: HistoryPage): Promise<TransitionList> {
    const columns = 'id, kind, occurred_at, incident_id, last_at, misses, blackout_started_at, blackout_ended_at';
    const found = await this.newestFirst<TransitionRow>('transition', 'occurred_at', columns, heartbeatId, page);
    const { rows, nextCursor } = pageOf(found, page.limit, (row) => ({ at: row.occurred_at.getTime(), id: row.id }));
    return {
      transitions: rows.map((row) => ({
        id: row.id,
        kind: row.kind,
        occurred_at: rfc3339(row.occurred_at.getTime()),
        incident_id: row.incident_id,
        last_at: rfc3339(row.last_at?.getTime() ?? null),
        misses: row.misses,
        blackout:
          row.blackout_started_at && row.blackout_ended_at
            ? {
                started_at: rfc3339(row.blackout_started_at.getTime()),
                ended_at: rfc3339(row.blackout_ended_at.getTime()),
              }
            : null,
      })),
      next_cursor: nextCursor,
    };
  }

  /** One row more than the page, which tells whether another page follows. */
  private newestFirst<Row>(
    table: 'ping' | 'incident' | 'transition',
    instant: 'received_at' | 'started_at' | 'occurred_at',
    columns: string,
    heartbeatId: string,
    { limit, cursor }: HistoryPage,
  ): Promise<Row[]> {
    return this.dataSource.query<Row[]>(
      `SELECT ${columns} FROM ${table}
       WHERE heartbeat_id = $1 ${cursor ? `AND (${instant}, id) < ($3, $4)` : ''}
       ORDER BY ${instant} DESC, id DESC LIMIT $2`,
      [heartbeatId, limit + 1, ...(cursor ? [new Date(cursor.at), cursor.id] : [])],
    );
  }
}
