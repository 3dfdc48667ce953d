import type { Clock, Logger } from '@flatline/service-kernel';
import type { DataSource } from 'typeorm';

const DAY_MS = 86_400_000;
const DAYS_AHEAD = 3;
const EVERY_MS = 3_600_000;
/** Whatever asks for a lock on the history must not make pings wait. */
const LOCK_TIMEOUT = '2s';
/** Key of the advisory lock under which one scheduler at a time changes the partitions; any constant of our own will do. */
const MAINTENANCE_LOCK = 7_310_516;
const PARTITION_NAME = /^ping_(\d{4})(\d{2})(\d{2})$/;

/**
 * Keeps the history in daily partitions: makes those of the days to come and drops those that are older than the
 * retention. Dropping a table frees its space at once and costs nothing per ping. What was missed and what was unknown
 * goes with the pings of its time; incidents stay.
 */
export class PingPartitions {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly retentionDays: number,
  ) {}

  async start(): Promise<void> {
    await this.maintain();
    this.timer = setInterval(() => void this.maintain(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Never rejects: without a partition of its own a day lands in the default partition. */
  async maintain(): Promise<void> {
    const today = Math.floor(this.clock.now() / DAY_MS);
    for (let day = today; day <= today + DAYS_AHEAD; day += 1) {
      await this.attempt(
        `CREATE TABLE IF NOT EXISTS ${nameOf(day)} PARTITION OF ping
         FOR VALUES FROM ('${dateOf(day)}') TO ('${dateOf(day + 1)}')`,
      );
    }
    for (const name of await this.expired(today)) await this.attempt(`DROP TABLE IF EXISTS ${name}`);
    const oldestAt = `${dateOf(today - this.retentionDays)}T00:00:00Z`;
    await this.attempt(`DELETE FROM ping_default WHERE received_at < '${oldestAt}'`);
    await this.attempt(`DELETE FROM transition WHERE kind IN ('missed', 'unknown') AND occurred_at < '${oldestAt}'`);
  }

  private async expired(today: number): Promise<string[]> {
    try {
      const rows = await this.dataSource.query<{ name: string }[]>(
        `SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'ping'::regclass`,
      );
      const oldest = nameOf(today - this.retentionDays);
      return rows.map((row) => row.name).filter((name) => PARTITION_NAME.test(name) && name < oldest);
    } catch (error) {
      this.logger.warn({ err: error }, 'the partitions of the history could not be listed');
      return [];
    }
  }

  private async attempt(sql: string): Promise<void> {
    try {
      await this.dataSource.transaction(async (manager) => {
        await manager.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
        // CREATE TABLE IF NOT EXISTS fails when two do it at the same time.
        await manager.query('SELECT pg_advisory_xact_lock($1)', [MAINTENANCE_LOCK]);
        await manager.query(sql);
      });
    } catch (error) {
      this.logger.warn({ err: error }, 'the partitions of the history could not be maintained; trying again later');
    }
  }
}

function dateOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

function nameOf(day: number): string {
  return `ping_${dateOf(day).replaceAll('-', '')}`;
}
