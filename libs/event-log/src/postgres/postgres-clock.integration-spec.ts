import { eventually, useDatabaseClock, useTestDatabase } from '@flatline/test-kit';
import { record, RecordingHandler } from '../test-handler';
import { openPostgresEventLog } from './postgres-event-log';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const HOUR = 3_600_000;
const hoursAhead = (at: number): number => Math.round((at - Date.now()) / HOUR) + 0;

describe('the event log on a Postgres whose clock is set', () => {
  const database = useTestDatabase('logclock');

  it('dates records by that clock as it is now, also when it was set back', async () => {
    // Guarded by `flatline_log.append` in migrations/0002-append-time-is-the-clock.sql.
    const setClock = await useDatabaseClock(database.url);
    const log = await openPostgresEventLog({ url: database.url, logger: quiet });
    try {
      await log.ensureTopics([{ name: 'test.clock', partitions: 1, retentionMs: HOUR }]);
      const producer = await log.producer();
      const aheadOfUs: number[] = [];
      for (const ahead of [0, HOUR, 0, -HOUR]) {
        await setClock(ahead);
        const { appendedAt } = await producer.append('test.clock', [record(0, String(ahead))]);
        aheadOfUs.push(hoursAhead(appendedAt));
      }
      expect(aheadOfUs).toEqual([0, 1, 0, -1]);
      const handler = new RecordingHandler();
      await log.consume({ topic: 'test.clock', group: 'readers', maxRecords: 10, handler });
      await eventually(() => expect(handler.seen).toHaveLength(4));
      expect(handler.seen.map(({ appendedAt }) => hoursAhead(appendedAt))).toEqual([0, 1, 0, -1]);
    } finally {
      await log.close();
    }
  });
});
