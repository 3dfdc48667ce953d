import { mintPingToken } from '@flatline/domain';
import { eventually, printMeasurement, TEST_TOKEN_KEYS } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import type { Stack, Told } from './stack';

export const BURST = 5_000;
const INTERVAL_SECS = 6;
/** Two idle cores do it in some seconds; a busy machine is no failure. */
export const TOLD_WITHIN_MS = 60_000;

export interface Burst {
  readonly ids: readonly string[];
  readonly downs: readonly Told[];
  readonly recoveries: readonly Told[];
  readonly requests: number;
  /** The most memory the notifier has had in its life, bytes. */
  readonly notifierPeakBytes: number;
}

/** 5 000 heartbeats of one project, pinged at the same time, fall silent; and come back at the same time. */
export async function fallSilentAtOnce(stack: Stack): Promise<Burst> {
  const ids = Array.from({ length: BURST }, () => uuidv7());
  // By hand: 5 000 calls of the API would take longer than all that follows.
  await stack.rows(
    `INSERT INTO heartbeat (id, project_id, name, interval_secs, grace_secs, alert_after_misses, schedule_changed_at,
       created_at, updated_at)
     SELECT id, (SELECT id FROM project LIMIT 1), 'one of many', $2, 0, 1, now(), now(), now() FROM unnest($1::uuid[]) AS id`,
    [ids, INTERVAL_SECS],
  );
  const keyring: [Buffer] = [Buffer.from(TEST_TOKEN_KEYS, 'hex')];
  const tokens = ids.map((heartbeatId) => mintPingToken({ heartbeatId, generation: 0 }, keyring));
  const requestsBefore = stack.told().length;
  const told = (type: Told['type']) => {
    const ours = new Set(ids);
    return stack.told().filter((each) => each.type === type && ours.has(each.heartbeatId));
  };
  const toldAll = async (type: Told['type']): Promise<readonly Told[]> => {
    await eventually(() => expect(told(type).length).toBeGreaterThanOrEqual(BURST), {
      withinMs: INTERVAL_SECS * 1_000 + TOLD_WITHIN_MS,
      everyMs: 200,
    });
    return told(type);
  };

  await stack.pingAll(tokens);
  const downs = await toldAll('heartbeat.down');
  // A long interval, so that no second incident begins while the first ends.
  await stack.rows(
    'UPDATE heartbeat SET interval_secs = 3600, version = version + 1, schedule_changed_at = now() WHERE id = ANY($1)',
    [ids],
  );
  await stack.pingAll(tokens);
  const recoveries = await toldAll('heartbeat.recovered');
  const latencies = downs.map(({ occurredAt, receivedAt }) => receivedAt - occurredAt).sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(share * (latencies.length - 1))];
  printMeasurement(`deadline to webhook, ${BURST} at once: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`);
  const notifierPeakBytes = stack.peakMemoryBytes('notifier');
  printMeasurement(`at most ${Math.round(notifierPeakBytes / 1024 / 1024)} MB in the notifier`);
  return { ids, downs, recoveries, requests: stack.told().length - requestsBefore, notifierPeakBytes };
}
