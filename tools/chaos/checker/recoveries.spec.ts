import type { Entry } from '../journal/entries';
import { recoveriesOf } from './recoveries';

const fault = (startedAt: number, endedAt: number): Entry => ({
  ...{ type: 'fault', kind: 'cut', target: 'Kafka', name: 'cut Kafka', startedAt, endedAt },
});
const lag = (at: number, lagMs: number | null): Entry => ({ type: 'lag', at, lagMs });
const probe = (id: string, shard: number): Entry => ({
  ...{ type: 'job', id, name: 'probe', probeOf: shard, intervalMs: 5_000, graceMs: 30_000, alertAfterMisses: 1 },
});
const ping = (id: string, at: number, status: number | null): Entry => ({
  ...{ type: 'ping', id, sentAt: at - 5, endedAt: at, status, pingId: status === 200 ? `${at}` : null },
});

describe('the time to recover', () => {
  it('goes from the end of the fault to the first good look after the last bad one', () => {
    const [recovery] = recoveriesOf([
      ...[probe('a', 0), probe('b', 1), fault(1_000, 5_000)],
      ...[ping('a', 1_500, 503), ping('a', 5_400, 200), ping('b', 5_200, null), ping('b', 6_100, 200)],
      ...[lag(900, 100), lag(2_000, 2_500), lag(5_100, 100), lag(7_000, null), lag(7_250, 1_900)],
    ]);
    expect(recovery).toMatchObject({ pingsAfterMs: 1_100, lagAfterMs: 2_250 });
  });

  it('is nothing when nobody noticed the fault, or all was well before it ended', () => {
    const [recovery] = recoveriesOf([probe('a', 0), fault(1_000, 5_000), ping('a', 1_500, 503), ping('a', 2_000, 200)]);
    expect(recovery).toMatchObject({ pingsAfterMs: 0, lagAfterMs: 0 });
  });

  it('leaves what comes after the next fault to that one', () => {
    const [first, second] = recoveriesOf([fault(1_000, 2_000), fault(4_000, 5_000), lag(4_500, 9_000), lag(5_500, 0)]);
    expect([first!.lagAfterMs, second!.lagAfterMs]).toEqual([0, 500]);
  });

  it('is never when it did not become well', () => {
    expect(recoveriesOf([fault(1_000, 2_000), lag(1_500, null)])).toMatchObject([{ lagAfterMs: null }]);
  });
});
