import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@flatline/test-kit';
import { type Outcome, outcomeOf } from './outcome';
import type { Stack } from './stack';

export const PERIOD_MS = 1_000;
const HEARTBEATS = 60;
const ROUNDS = 6;
/** Pings are aimed at the deadline, give or take this. */
const SPREAD_MS = 3;

/**
 * Many heartbeats that go down at the first miss, each pinged again and again at the very deadline that the ping before
 * has set, a moment early or late, while as many deadlines are being judged. At last all of them fall silent.
 */
export async function pingAtTheDeadline(stack: Stack): Promise<readonly Outcome[]> {
  const fields = { interval_secs: PERIOD_MS / 1000, grace_secs: 0, alert_after_misses: 1 };
  const create = (_: unknown, index: number) => stack.api.create({ name: `at the deadline ${index}`, ...fields });
  const heartbeats = await Promise.all(Array.from({ length: HEARTBEATS }, create));
  await Promise.all(heartbeats.map(({ token }) => pingAgainAndAgain(stack, token)));

  const outcomes = await eventually(
    async () => {
      const all = await Promise.all(heartbeats.map(({ id }) => outcomeOf(stack, id)));
      all.forEach(({ pingedAt, incidents, told }) => {
        expect(pingedAt).toHaveLength(ROUNDS);
        expect(incidents.at(-1)?.startedAt).toBeGreaterThanOrEqual(pingedAt.at(-1)! + PERIOD_MS);
        expect(told.at(-1)?.occurredAt).toBe(incidents.at(-1)?.startedAt);
      });
      return all;
    },
    { withinMs: 40_000, everyMs: 500 },
  );
  await stack.forget(heartbeats);
  return outcomes;
}

async function pingAgainAndAgain(stack: Stack, token: string): Promise<void> {
  let receivedAt = 0;
  let travelMs = 1;
  for (let round = 0; round < ROUNDS; round += 1) {
    const aimedAt = receivedAt + PERIOD_MS + Math.round((Math.random() * 2 - 1) * SPREAD_MS) - travelMs;
    await sleep(Math.max(0, aimedAt - Date.now()));
    const sentAt = Date.now();
    const id = await stack.ping(token);
    if (id === null) throw new Error('a ping was not acknowledged');
    receivedAt = instantOf(id);
    travelMs = Math.max(0, receivedAt - sentAt);
  }
}

/** Ids of pings are UUIDv7: they begin with the instant at which they were made, about when the ping was received. */
function instantOf(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
}
