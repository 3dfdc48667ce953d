import { isOnTheWayIn } from '../faults/fault';
import type { Entry, FaultEntry, MessageEntry, RunEntry, ToldIncident } from '../journal/entries';
import { type DueRules, dueAlarms, type DueAlarm, judgeAlarm, mayBeClosedByPause, tellBy } from './check-alarms';
import { checkEndings } from './check-endings';
import { checkKeys, checkOneForEachSilence, checkOrder, countRepeats, type Mailbox } from './check-messages';
import { checkPings, SKEW_MS } from './check-pings';
import { outagesOf } from './outages';
import { disturbancesOf, type Span, type Truth, truthsOf } from './truth';
import { clock, type Violation } from './verdict';

export interface Figures {
  readonly heartbeats: number;
  readonly pingsAcknowledged: number;
  readonly pingsFailed: number;
  readonly alarmsDue: number;
  /** Incidents that somebody was told of. */
  readonly alarmsSent: number;
  /** Alarms about jobs that may have pinged in time or not. */
  readonly alarmsOpen: number;
  readonly messages: number;
  /** Came again under the same key after they had been taken. */
  readonly repeats: number;
}

export interface Verdict {
  readonly figures: Figures;
  readonly violations: readonly Violation[];
}

/** After a fault its consequences may last: a restart, a lease, a sweep. */
const SETTLE_MS = 25_000;
/** After a fault on the way in, pings have got through again by then. */
export const THROUGH_AGAIN_MS = 10_000;
/** From being due to being told, when nothing is in the way: a sweep, and a busy machine. */
const PROMPT_MS = 45_000;
/** At the very end something may still be on its way. */
const LAST_MS = 30_000;
/** Of a machine's clock that nobody has touched. */
const PUNCTUAL_MS = 150;
/** A clock may have differed so long before and after it was set. */
const CLOCK_EFFECT_MS = 60_000;

/**
 * Compares what Flatline says and has told with what is known of the jobs. Knows nothing of how Flatline decides: its
 * only rules are those of check-alarms.ts. Pure.
 */
export function check(entries: readonly Entry[]): Verdict {
  const context = contextOf(entries);
  const truths = [...truthsOf(entries).values()];
  const results = truths.map((truth) => checkHeartbeat(truth, context));
  const messages = entries.filter((entry): entry is MessageEntry => entry.type === 'message');
  const leftovers = entries
    .filter((entry) => entry.type === 'leftover')
    .map(({ table, rows, example }) => ({
      kind: 'leftover' as const,
      id: null,
      what: `${rows} in ${table}: ${example}`,
    }));
  const garbled = entries
    .filter((entry) => entry.type === 'garbled')
    .map(({ receiver, at, what }) => ({
      ...{ kind: 'garbled' as const, id: null },
      what: `${receiver} got at ${clock(at)}: ${what}`,
    }));
  const ended = entries
    .filter((entry) => entry.type === 'ended')
    .map(({ at, what }) => ({ kind: 'ended' as const, id: null, what: `at ${clock(at)}, ${what}` }));
  const attempts = truths.flatMap((truth) => truth.attempts);
  const sum = (count: (result: HeartbeatResult) => number): number =>
    results.reduce((total, result) => total + count(result), 0);
  return {
    figures: {
      heartbeats: truths.length,
      pingsAcknowledged: attempts.filter(({ status }) => status === 200).length,
      pingsFailed: attempts.filter(({ status }) => status !== 200).length,
      alarmsDue: sum(({ due }) => due),
      alarmsSent: sum(({ sent }) => sent),
      alarmsOpen: sum(({ open }) => open),
      messages: messages.length,
      repeats: countRepeats(messages),
    },
    violations: [
      ...results.flatMap(({ violations }) => violations),
      ...checkKeys(messages),
      ...garbled,
      ...leftovers,
      ...ended,
    ],
  };
}

interface Context {
  readonly run: RunEntry;
  /** By faults that may keep a ping from getting through. */
  readonly onTheWayIn: readonly Span[];
  /** Times in which no ping could be stored, as Flatline has to know. */
  readonly outages: readonly Span[];
  /** By any fault: all of them may delay that somebody is told. */
  readonly disturbances: readonly Span[];
  readonly clockFaults: readonly FaultEntry[];
  /** When the jobs stopped. */
  readonly endedAt: number;
  readonly histories: ReadonlyMap<string, readonly { readonly id: string; readonly at: number }[]>;
  readonly incidents: ReadonlyMap<string, readonly ToldIncident[]>;
  readonly messages: ReadonlyMap<string, readonly MessageEntry[]>;
}

function contextOf(entries: readonly Entry[]): Context {
  const run = entries.find((entry) => entry.type === 'run');
  const quiet = entries.find((entry) => entry.type === 'quiet');
  if (!run || !quiet) throw new Error('The journal is not that of a whole run: it has no beginning or no end.');
  const faults = entries.filter((entry): entry is FaultEntry => entry.type === 'fault');
  const messages = new Map<string, MessageEntry[]>();
  const histories = new Map<string, readonly { id: string; at: number }[]>();
  const incidents = new Map<string, readonly ToldIncident[]>();
  for (const entry of entries) {
    // Jobs that have been stopped fall silent; what is told of that is no matter.
    if (entry.type === 'message' && entry.at < quiet.endedAt) {
      messages.set(entry.id, [...(messages.get(entry.id) ?? []), entry]);
    }
    if (entry.type === 'history') histories.set(entry.id, entry.pings);
    if (entry.type === 'incidents') incidents.set(entry.id, entry.incidents);
  }
  return {
    ...{ run, histories, incidents, messages },
    onTheWayIn: disturbancesOf(
      faults.filter(({ target }) => isOnTheWayIn(target)),
      THROUGH_AGAIN_MS,
    ),
    outages: outagesOf(entries),
    disturbances: disturbancesOf(faults, SETTLE_MS),
    clockFaults: faults.filter(({ kind }) => kind === 'clock'),
    endedAt: quiet.endedAt,
  };
}

interface HeartbeatResult {
  readonly violations: readonly Violation[];
  readonly due: number;
  readonly sent: number;
  readonly open: number;
}

function checkHeartbeat(truth: Truth, context: Context): HeartbeatResult {
  const { id } = truth.job;
  const incidents = context.incidents.get(id) ?? [];
  const messages = context.messages.get(id) ?? [];
  const mailboxes = context.run.receivers.map(({ name }) => ({
    receiver: name,
    messages: messages.filter(({ receiver }) => receiver === name),
  }));
  const isClosedByPause = ({ endedAt }: ToldIncident): boolean =>
    endedAt !== null && mayBeClosedByPause(truth, endedAt, SKEW_MS);
  const judgements = incidents.map((incident) =>
    judgeAlarm(truth, incident, {
      skewMs: skewAt(incident.startedAt, context),
      outages: context.outages,
      leaseMs: context.run.leaseMs,
    }),
  );
  const rules: DueRules = {
    disturbances: context.onTheWayIn,
    leaseMs: context.run.leaseMs,
    skewMs: SKEW_MS,
    until: context.endedAt,
  };
  const due = dueAlarms(truth, rules);
  const endings = { skewMs: SKEW_MS, settledUntil: context.endedAt - LAST_MS, isClosedByPause };
  return {
    violations: [
      ...checkPings(truth, context.histories.get(id) ?? []),
      ...judgements.flatMap((judged) =>
        judged.kind === 'false' ? [{ kind: 'false' as const, id, what: judged.why }] : [],
      ),
      ...unknownIncidents(messages, incidents),
      ...due.flatMap((each) => missed(truth, each, incidents, mailboxes, context)),
      ...checkEndings(truth, incidents, mailboxes, endings),
      ...mailboxes.flatMap((mailbox) => checkOrder(truth, mailbox, incidents, isClosedByPause)),
      ...checkOneForEachSilence(truth, incidents, SKEW_MS),
    ],
    due: due.length,
    sent: new Set(messages.map(({ incidentId }) => incidentId)).size,
    open: judgements.filter(({ kind }) => kind === 'open').length,
  };
}

function skewAt(at: number, { clockFaults }: Context): number {
  const isTouched = clockFaults.some(
    ({ startedAt, endedAt }) => startedAt - CLOCK_EFFECT_MS < at && at < endedAt + CLOCK_EFFECT_MS,
  );
  return isTouched ? SKEW_MS : PUNCTUAL_MS;
}

function unknownIncidents(messages: readonly MessageEntry[], incidents: readonly ToldIncident[]): Violation[] {
  const known = new Set(incidents.map(({ id }) => id));
  return messages
    .filter(({ incidentId }) => !known.has(incidentId))
    .map(({ id, incidentId, receiver }) => ({
      ...{ kind: 'false' as const, id },
      what: `${receiver} was told of the incident ${incidentId}, which the API does not know`,
    }));
}

function missed(
  truth: Truth,
  { silence, dueAt }: DueAlarm,
  incidents: readonly ToldIncident[],
  mailboxes: readonly Mailbox[],
  { disturbances, run, endedAt }: Context,
): Violation[] {
  const { id } = truth.job;
  const miss = (what: string): Violation => ({ kind: 'missed', id, what });
  const about = `silent since ${clock(silence.from)}, down by ${clock(dueAt)}`;
  const earliestAt = silence.from + truth.alarmAfterMs - SKEW_MS;
  const latestAt = Math.min(silence.to, dueAt) + SKEW_MS;
  const found = incidents.filter(({ startedAt }) => startedAt >= earliestAt && startedAt <= latestAt);
  if (found.length === 0) return [miss(`${about}: there is no incident of that time`)];
  const by = tellBy(dueAt, PROMPT_MS, disturbances);
  return mailboxes.flatMap(({ receiver, messages }) => {
    const isFlaky = run.receivers.some((each) => each.name === receiver && each.isFlaky);
    const told = messages.find(
      ({ incidentId, transition }) => transition === 'down' && found.some((each) => each.id === incidentId),
    );
    if (!told) return by < endedAt ? [miss(`${about}: ${receiver} was not told`)] : [];
    const isLate = !isFlaky && told.at > by;
    return isLate ? [miss(`${about}: ${receiver} was told at ${clock(told.at)}, too late`)] : [];
  });
}
