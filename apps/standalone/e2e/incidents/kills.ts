import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiHeartbeat, eventually, Jobs } from '@flatline/test-kit';
import { type Outcome, outcomeOf } from './outcome';
import type { Held, Stack, Told } from './stack';

const patiently = { withinMs: 30_000 };

/** A heartbeat that goes down at its first miss. */
function create(stack: Stack, name: string, intervalSecs: number, graceSecs = 0): Promise<ApiHeartbeat> {
  const fields = { interval_secs: intervalSecs, grace_secs: graceSecs, alert_after_misses: 1 };
  return stack.api.create({ name, ...fields });
}

/** Waits for the alert, lets the job ping again, and waits for the recovery: what was not told by then never will be. */
async function toldUntilItIsBack(stack: Stack, { id, token }: ApiHeartbeat): Promise<readonly Told[]> {
  const types = () => stack.told(id).map(({ type }) => type);
  await eventually(() => expect(types()).toContain('heartbeat.down'), patiently);
  await stack.api.call('PATCH', `/heartbeats/${id}`, { interval_secs: 3_600 });
  await stack.pingAll([token]);
  await eventually(() => expect(types()).toContain('heartbeat.recovered'), patiently);
  return stack.told(id);
}

/**
 * A heartbeat goes down, and two processes are killed on the way to the notification: the scheduler when it is about to
 * write the event that belongs to the new state, then the notifier when it is about to queue the notification.
 *
 * @returns what was told up to the recovery, and the status that the API showed after each kill
 */
export async function killOnTheWayToTheNotification(
  stack: Stack,
): Promise<{ told: readonly Told[]; statusAfter: { schedulerKill: string; notifierKill: string } }> {
  const heartbeat = await create(stack, 'goes down', 2);
  await stack.pingAll([heartbeat.token]);
  const outbox = await stack.hold('LOCK TABLE outbox IN SHARE MODE');
  await stack.killWaiting('deadline-scheduler', 'INSERT INTO outbox', outbox);
  const schedulerKill = (await stack.api.read(heartbeat.id)).status;

  const notifications = await stack.hold('LOCK TABLE notification IN SHARE MODE');
  await stack.startService('deadline-scheduler');
  await stack.killWaiting('notifier', 'INSERT INTO notification', notifications);
  const notifierKill = (await stack.api.read(heartbeat.id)).status;

  await stack.startService('notifier');
  return { told: await toldUntilItIsBack(stack, heartbeat), statusAfter: { schedulerKill, notifierKill } };
}

/**
 * A heartbeat goes down, the receiver answers 200, and the notifier is killed while it waits to write that down.
 *
 * @returns what was told up to the recovery
 */
export async function killBeforeTheResultIsWrittenDown(stack: Stack): Promise<readonly Told[]> {
  const heartbeat = await create(stack, 'is told of', 2);
  const held = new Promise<Held>((resolve, reject) => {
    stack.receiver.answerWith(({ body }) => {
      if (!body.includes(heartbeat.id)) return {};
      stack.receiver.answerWith({});
      stack.hold('SELECT FROM notification WHERE heartbeat_id = $1 FOR UPDATE', [heartbeat.id]).then(resolve, reject);
      return { status: 200, delayMs: 500 };
    });
  });
  await stack.pingAll([heartbeat.token]);
  await stack.killWaiting('notifier', 'UPDATE notification', await held);
  await stack.startService('notifier');
  return toldUntilItIsBack(stack, heartbeat);
}

/** Kills scheduler and notifier in the middle of a heartbeat's grace time. Its period, grace included, is `periodMs`. */
export async function killInTheGraceTime(stack: Stack): Promise<Outcome & { periodMs: number }> {
  const heartbeat = await create(stack, 'is in its grace time', 1, 5);
  const { id, token } = heartbeat;
  await stack.pingAll([token]);
  const [ping] = await stack.api.pings(id);
  await sleep(Date.parse(ping!.pinged_at) + 2_500 - Date.now());
  await Promise.all([stack.kill('deadline-scheduler'), stack.kill('notifier')]);
  await Promise.all([stack.startService('deadline-scheduler'), stack.startService('notifier')]);
  await eventually(() => expect(stack.told(id)).not.toEqual([]), patiently);
  const outcome = await outcomeOf(stack, id);
  await stack.forget([heartbeat]);
  return { ...outcome, periodMs: 6_000 };
}

/**
 * Jobs ping without a pause, and try again until it works, while the event log is killed and started.
 *
 * @returns the ids of what was acknowledged and of what is in the history
 */
export async function killTheBroker(stack: Stack): Promise<{ acknowledged: string[]; stored: string[] }> {
  const heartbeat = await stack.api.create({ name: 'a stream', interval_secs: 3_600 });
  const jobs = new Jobs(heartbeat, stack.pinger, { pauseMs: 10, count: 8 });
  const { acknowledged } = jobs;
  const goesOn = async (): Promise<void> => {
    const before = acknowledged.length;
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 100), { withinMs: 60_000 });
  };
  await goesOn();
  await stack.killBroker();
  await goesOn();
  await jobs.stop();
  const stored = await eventually(
    async () => {
      const ids = (await stack.api.pings(heartbeat.id)).map(({ id }) => id);
      expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
      return ids;
    },
    { withinMs: 40_000, everyMs: 250 },
  );
  return { acknowledged, stored };
}
