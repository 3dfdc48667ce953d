import { HealthRegistry, type Logger, Metrics } from '@flatline/service-kernel';
import { FakeClock } from '@flatline/test-kit';
import type { AlertNotice } from './alert-book';
import { OperatorMetrics } from './operator-metrics';
import { OperatorWatch } from './operator-watch';

/** Guarded by `look` and `tell` in libs/infrastructure/src/operator/operator-watch.ts. */
describe('a process that is watched for its operator', () => {
  const clock = new FakeClock('2026-01-01T00:00:00.000Z');
  let missing: string | null;
  let health: HealthRegistry;
  let posted: AlertNotice[];
  let lines: [string, Record<string, unknown>, string][];
  let watch: OperatorWatch;
  beforeEach(() => {
    missing = null;
    [posted, lines] = [[], []];
    health = new HealthRegistry();
    health.register('event log', () => missing, 'event_log_away');
    const line = (level: string) => (fields: Record<string, unknown>, message: string) =>
      void lines.push([level, fields, message]);
    const logger = { error: line('error'), warn: line('warn') } as unknown as Logger;
    watch = new OperatorWatch(
      { clock, health, logger },
      { post: (notice) => void posted.push(notice), close: async () => undefined },
    );
  });
  async function pass(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 5) {
      await watch.look();
      clock.advance(5_000);
    }
  }

  it('says in log, post and metrics what it is not ready for, when that stands for a minute', async () => {
    const metrics = new Metrics();
    new OperatorMetrics(metrics, (condition) => watch.isOpen(condition));
    const gauge = async () => (await metrics.registry.metrics()).match(/\{condition="event_log_away"\} (\d)/)?.[1];
    await pass(60);
    missing = 'Kafka does not answer';
    await pass(60);
    expect([posted, await gauge()]).toEqual([[], '0']);
    await pass(5);
    expect(posted.map(({ status, sentence }) => [status, sentence])).toEqual([
      ['raised', 'event log: Kafka does not answer'],
    ]);
    expect(lines).toEqual([
      [
        'error',
        { condition: 'event_log_away', since: '2026-01-01T00:01:00.000Z', runbook: 'docs/runbooks/kafka-away.md' },
        'operator alert: The event log is away: event log: Kafka does not answer',
      ],
    ]);
    expect(await gauge()).toBe('1');
    missing = null;
    await pass(70);
    expect(posted.map(({ status }) => status)).toEqual(['raised', 'over']);
    expect(lines[1]).toMatchObject(['warn', {}, expect.stringMatching(/^operator alert: Over: /)]);
    expect(await gauge()).toBe('0');
  });

  it('tells what happened even when it ends at once', async () => {
    health.happened('records_missing', '3 acknowledged pings of shard 1 are not in the event log');
    await watch.stop();
    expect(posted.map(({ status, condition }) => [status, condition])).toEqual([['happened', 'records_missing']]);
  });
});
