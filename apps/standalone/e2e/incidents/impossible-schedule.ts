import { type ApiAnswer, eventually } from '@flatline/test-kit';
import { type Outcome, outcomeOf } from './outcome';
import type { Stack, Told } from './stack';

const NEVER = { schedule: '0 0 31 2 *', timezone: 'UTC' };
export const OTHERS_INTERVAL_MS = 4_000;
const OTHERS = 8;

export interface ImpossibleSchedule {
  /** To the wish for a heartbeat on the 31st of February. */
  readonly answer: ApiAnswer;
  /** The one that was made so in the database. */
  readonly forced: { readonly told: readonly Told[]; readonly misconfigured: string | null };
  readonly others: readonly Outcome[];
}

/** Asks for a schedule that never comes; then forces it on a heartbeat that is armed beside others, and pings it again. */
export async function forceAnImpossibleSchedule(stack: Stack): Promise<ImpossibleSchedule> {
  const answer = await stack.api.call('POST', '/heartbeats', { name: 'on the 31st of February', ...NEVER });
  const fields = { interval_secs: OTHERS_INTERVAL_MS / 1000, grace_secs: 0, alert_after_misses: 1 };
  const create = (_: unknown, index: number) => stack.api.create({ name: `beside it ${index}`, ...fields });
  const [forced, ...others] = await Promise.all(Array.from({ length: 1 + OTHERS }, create));
  await stack.pingAll([forced!, ...others].map(({ token }) => token));
  await eventually(async () => expect(await stack.api.pings(forced!.id)).toHaveLength(1));
  await stack.rows(
    `UPDATE heartbeat SET interval_secs = NULL, schedule = $2, timezone = $3, version = version + 1,
       schedule_changed_at = now() WHERE id = $1`,
    [forced!.id, NEVER.schedule, NEVER.timezone],
  );
  await stack.pingAll([forced!.token]);
  await eventually(
    () => {
      for (const { id } of others) expect(stack.told(id)).not.toEqual([]);
    },
    { withinMs: 40_000 },
  );
  const shown = await stack.api.call('GET', `/heartbeats/${forced!.id}`);
  const outcomes = await Promise.all(others.map(({ id }) => outcomeOf(stack, id)));
  await stack.forget([forced!, ...others]);
  return {
    answer,
    forced: { told: stack.told(forced!.id), misconfigured: shown.json.misconfigured as string | null },
    others: outcomes,
  };
}
