import type { ControlEntry, Entry, FaultEntry, JobEntry, PingEntry } from '../journal/entries';

/** Some instant in it, both ends included; epoch ms. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What is certain and what is not about one heartbeat. */
export interface Truth {
  readonly job: JobEntry;
  /** From a last ping to the alarm: `alertAfterMisses` intervals and the grace. */
  readonly alarmAfterMs: number;
  /** The job ran and meant to ping. */
  readonly dues: readonly number[];
  readonly attempts: readonly PingEntry[];
  /** Signs of life that Flatline has admitted to know of, oldest first: pings it answered with 200, and resumes. */
  readonly proofs: readonly Span[];
  /** Signs of life that may have reached it: pings without a 200, and what came while it may have been paused. */
  readonly doubts: readonly Span[];
  readonly pauses: readonly Pause[];
}

export interface Pause {
  readonly begins: Span;
  /** Null: it was never resumed. */
  readonly ends: Span | null;
}

/** So long after its sender has given up, a ping may still be taken: what lies in the socket of a frozen process. */
const DOUBT_MS = 30_000;
/** So long after the process goes on; it may have been frozen for longer than that. */
const READ_WITHIN_MS = 5_000;

/** By heartbeat. */
export function truthsOf(entries: readonly Entry[]): Map<string, Truth> {
  const of = <Type extends Entry['type']>(type: Type) =>
    groupById(
      entries.filter(
        (entry): entry is Extract<Entry, { type: Type; id: string }> => entry.type === type && 'id' in entry,
      ),
    );
  const [dues, pings, controls] = [of('due'), of('ping'), of('control')];
  const jobs = entries.filter((entry) => entry.type === 'job');
  const halts = entries.filter((entry) => entry.type === 'fault').filter(({ kind }) => /^(freeze|stutter)/.test(kind));
  return new Map(
    jobs.map((job) => {
      const attempts = pings.get(job.id) ?? [];
      const pauses = pausesOf(controls.get(job.id) ?? []);
      return [
        job.id,
        {
          ...{ job, attempts, pauses },
          alarmAfterMs: job.alertAfterMisses * job.intervalMs + job.graceMs,
          dues: (dues.get(job.id) ?? []).map(({ at }) => at),
          ...signsOfLife(attempts, pauses, halts),
        },
      ];
    }),
  );
}

function groupById<Item extends { readonly id: string }>(items: readonly Item[]): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(item.id);
    if (group) group.push(item);
    else groups.set(item.id, [item]);
  }
  return groups;
}

function pausesOf(controls: readonly ControlEntry[]): Pause[] {
  const pauses: Pause[] = [];
  for (const { action, sentAt, endedAt } of controls) {
    const span = { from: sentAt, to: endedAt };
    if (action === 'pause') pauses.push({ begins: span, ends: null });
    else pauses.push({ ...pauses.pop()!, ends: span });
  }
  return pauses;
}

function signsOfLife(
  attempts: readonly PingEntry[],
  pauses: readonly Pause[],
  halts: readonly FaultEntry[],
): Pick<Truth, 'proofs' | 'doubts'> {
  const proofs: Span[] = pauses.flatMap(({ ends }) => (ends === null ? [] : [ends]));
  const doubts: Span[] = [];
  for (const { sentAt, endedAt, status } of attempts) {
    const isCertain = status === 200 && !pauses.some((pause) => mayOverlap(pause, { from: sentAt, to: endedAt }));
    if (isCertain) proofs.push({ from: sentAt, to: endedAt });
    else doubts.push({ from: sentAt, to: status === 200 ? endedAt : takenBy(endedAt, halts) });
  }
  return { proofs: inOrder(proofs), doubts: inOrder(doubts) };
}

/** When a ping that was given up then is taken at the latest, if it is. */
function takenBy(givenUpAt: number, halts: readonly FaultEntry[]): number {
  const under = halts.filter(({ startedAt, endedAt }) => startedAt <= givenUpAt && givenUpAt <= endedAt);
  return Math.max(givenUpAt + DOUBT_MS, ...under.map(({ endedAt }) => endedAt + READ_WITHIN_MS));
}

/** Whether it may have been paused at some instant of a span. */
export function mayOverlap({ begins, ends }: Pause, { from, to }: Span): boolean {
  return begins.from <= to && (ends === null || ends.to >= from);
}

function inOrder(spans: Span[]): Span[] {
  return spans.sort((a, b) => a.from - b.from);
}

/** From the beginning of each fault until its consequences must be over. */
export function disturbancesOf(faults: readonly FaultEntry[], settleMs: number): Span[] {
  return inOrder(faults.map(({ startedAt, endedAt }) => ({ from: startedAt, to: endedAt + settleMs })));
}
