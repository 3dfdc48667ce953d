import type { LogRecord } from '@flatline/event-log';
import { ClockSkew, type Logger } from '@flatline/service-kernel';
import { FakeClock } from '@flatline/test-kit';
import { LogClockWatch } from './log-clock-watch';

describe('the clock of a scheduler', () => {
  const ours = new FakeClock();
  let end: number | null;
  let skew: ClockSkew;
  let watch: LogClockWatch;
  beforeEach(() => {
    end = 100;
    skew = new ClockSkew(1_000);
    const bounds = (): Promise<{ start: number; end: number }> =>
      end === null ? Promise.reject(new Error('away')) : Promise.resolve({ start: 0, end });
    const logger = { debug: () => {}, info: () => {}, error: () => {} } as unknown as Logger;
    watch = new LogClockWatch({ log: { bounds }, clock: ours, skew, logger, owned: new Set([3]) });
  });
  const record = (offset: number, appendedAt: number): LogRecord => ({
    topic: 't',
    partition: 3,
    offset,
    key: '',
    value: Buffer.alloc(0),
    headers: {},
    appendedAt,
  });

  it('is compared with the log by a record appended after the end of the log was asked for', async () => {
    await watch.ask();
    ours.advance(200);
    watch.noteRead(3, [record(100, ours.now() - 3_600_000)]);
    expect(skew.sentence()).toContain('3599.8 s ahead of that of the event log');
    await watch.ask();
    watch.noteRead(3, [record(100, ours.now() + 5_000)]);
    expect(skew.sentence()).toContain('5.0 s behind');
    await watch.ask();
    watch.noteRead(3, [record(100, ours.now())]);
    expect(skew.sentence()).toBeNull();
  });

  it('is not doubted because of records that were appended long ago and are read only now', async () => {
    // Guarded by `noteRead`, which takes only what lies beyond the end that was asked for.
    watch.noteRead(3, [record(98, ours.now() - 3_600_000)]);
    await watch.ask();
    ours.advance(60_000);
    watch.noteRead(3, [record(99, ours.now() - 3_600_000), record(100, ours.now() - 59_000)]);
    expect(skew.sentence()).toBeNull();
  });

  it('is not doubted because the log does not answer', async () => {
    end = null;
    await watch.ask();
    watch.noteRead(3, [record(100, 0)]);
    expect(skew.sentence()).toBeNull();
  });
});
