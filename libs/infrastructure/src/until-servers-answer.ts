import { setTimeout as sleep } from 'node:timers/promises';
import { type Finding, type Kernel, type Missing, type StandingCondition, WaitingRoom } from '@flatline/service-kernel';
import { ServerAway } from './server-away';

/** A start that finds everything in place takes its port once, when it can serve. */
const OPEN_AFTER_MS = 500;
const RETRY_MS = 500;
const REMIND_EVERY_MS = 30_000;

export interface Answered<Result> {
  readonly result: Result;
  /** For whoever takes its port over. */
  readonly waitingRoom: WaitingRoom;
}

/**
 * Tries until it succeeds, and meanwhile answers the health routes: alive, not ready, and what is missing.
 *
 * Null when the process was asked to stop before. What `attempt` throws besides {@link ServerAway} is thrown at once, and
 * so is a port that cannot be listened on.
 */
export async function untilServersAnswer<Result>(
  kernel: Kernel,
  attempt: () => Promise<Result>,
): Promise<Answered<Result> | null> {
  let missing: Missing = { component: 'start', missing: 'connecting' };
  const waitingRoom = new WaitingRoom(kernel, () => [missing]);
  kernel.shutdown.on('intake', 'waiting room', () => waitingRoom.close());
  let isWaiting = true;
  kernel.health.watch(() => (isWaiting ? [findingOf(missing)] : []));

  const soon = new AbortController();
  const opened = sleep(OPEN_AFTER_MS, undefined, { signal: soon.signal }).then(
    () => waitingRoom.open(),
    () => undefined, // not needed any more
  );
  const answered = attempts(kernel, attempt, (latest) => (missing = latest));
  try {
    const result = await Promise.race([answered, opened.then(() => answered)]);
    return result === null ? null : { result, waitingRoom };
  } finally {
    isWaiting = false;
    soon.abort();
  }
}

/** What an operator is told of a server that does not come. */
function findingOf({ component, missing }: Missing): Finding<StandingCondition> {
  const conditions: Readonly<Record<string, StandingCondition>> = {
    database: 'database_away',
    'event log': 'event_log_away',
  };
  return { condition: conditions[component] ?? 'not_ready', sentence: `${component}: ${missing}` };
}

async function attempts<Result>(
  { clock, logger, shutdown }: Kernel,
  attempt: () => Promise<Result>,
  note: (missing: Missing) => void,
): Promise<Result | null> {
  let said: string | null = null;
  let remindAt = 0;
  while (!shutdown.begun) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ServerAway)) throw error;
      const { component, message } = error;
      note({ component, missing: message });
      if (message !== said || clock.monotonic() >= remindAt) {
        logger.warn({ err: error.cause, component, missing: message }, 'waiting for what this service stands on');
        said = message;
        remindAt = clock.monotonic() + REMIND_EVERY_MS;
      }
    }
    await sleep(RETRY_MS);
  }
  return null;
}
