import type { Entry, FaultEntry, MessageEntry, PingEntry, ToldIncident } from '../journal/entries';
import type { Span } from './truth';

/** A job of a run that never took place. Instants are ms since its start. */
export interface SampleJob {
  readonly id: string;
  readonly intervalMs: number;
  readonly graceMs: number;
  readonly alertAfterMisses: number;
  /** When it pings, every interval, oldest first. */
  readonly spells: readonly Span[];
}

export interface SampleRun {
  readonly jobs: readonly SampleJob[];
  readonly untilMs: number;
  readonly faults?: readonly Omit<FaultEntry, 'type' | 'name'>[];
}

export const SAMPLE_STARTED_AT = Date.UTC(2026, 0, 5, 12);
export const SAMPLE_RECEIVERS = ['steady', 'flaky'] as const;

/** From sending a ping to its receipt, to its answer, and from an incident to its message, ms. */
const RECEIVED_MS = 4;
const ANSWERED_MS = 10;
const TOLD_MS = 300;

/** The journal of a run in which Flatline did everything right, for tests of the checker. */
export function sampleRun({ jobs, untilMs, faults = [] }: SampleRun): Entry[] {
  const told = jobs.flatMap((job) => entriesOf(job, untilMs));
  const endedAt = SAMPLE_STARTED_AT + untilMs;
  return [
    {
      ...{ type: 'run', at: SAMPLE_STARTED_AT, seed: 1, command: 'npm run chaos', leaseMs: 10_000 },
      receivers: SAMPLE_RECEIVERS.map((name) => ({ name, isFlaky: name === 'flaky' })),
    },
    ...told.filter(({ type }) => type !== 'message'),
    ...faults.map((fault): Entry => ({ ...fault, type: 'fault', name: `${fault.kind} ${fault.target}` })),
    ...messagesInOrder(told),
    { type: 'quiet', startedAt: SAMPLE_STARTED_AT + untilMs / 2, endedAt },
  ];
}

/** Receivers note what comes as it comes. */
export function messagesInOrder(entries: readonly Entry[]): MessageEntry[] {
  return entries.filter((entry) => entry.type === 'message').sort((a, b) => a.at - b.at);
}

function entriesOf({ spells, ...job }: SampleJob, untilMs: number): Entry[] {
  const pings = spells.flatMap(({ from, to }) => pingsOf(job, from, Math.min(to, untilMs)));
  const incidents = incidentsOf(job, pings, SAMPLE_STARTED_AT + untilMs);
  return [
    { ...job, type: 'job', name: job.id, probeOf: null },
    ...pings.map(({ sentAt }): Entry => ({ type: 'due', id: job.id, at: sentAt })),
    ...pings,
    {
      type: 'history',
      id: job.id,
      pings: pings.map(({ pingId, sentAt }) => ({ id: pingId!, at: sentAt + RECEIVED_MS })),
    },
    { type: 'incidents', id: job.id, incidents },
    ...incidents.flatMap((incident) => toldOf(job.id, incident)),
  ];
}

function pingsOf({ id, intervalMs }: Omit<SampleJob, 'spells'>, from: number, to: number): PingEntry[] {
  const count = Math.max(0, Math.ceil((to - from) / intervalMs));
  return Array.from({ length: count }, (_, index) => {
    const sentAt = SAMPLE_STARTED_AT + from + index * intervalMs;
    return { type: 'ping', id, sentAt, endedAt: sentAt + ANSWERED_MS, status: 200, pingId: `${id}@${sentAt}` };
  });
}

function incidentsOf(
  { id, intervalMs, graceMs, alertAfterMisses }: Omit<SampleJob, 'spells'>,
  pings: readonly PingEntry[],
  endedAt: number,
): ToldIncident[] {
  return pings.flatMap(({ sentAt }, index) => {
    const startedAt = sentAt + RECEIVED_MS + alertAfterMisses * intervalMs + graceMs;
    const next = pings[index + 1];
    const nextAt = next ? next.sentAt + RECEIVED_MS : null;
    if (startedAt >= (nextAt ?? endedAt)) return [];
    return [{ id: `${id}!${startedAt}`, startedAt, endedAt: nextAt, reason: 'missed', isRaisedInError: false }];
  });
}

/** What every receiver gets of an incident. */
export function toldOf(id: string, { id: incidentId, startedAt, endedAt, reason }: ToldIncident): MessageEntry[] {
  return SAMPLE_RECEIVERS.flatMap((receiver) => {
    const about = { type: 'message' as const, receiver, id, incidentId, reason, isTaken: true };
    const message = (transition: 'down' | 'recovered', at: number): MessageEntry => ({
      ...about,
      ...{ transition, at: at + TOLD_MS, key: `${incidentId} ${transition} ${receiver}` },
    });
    return [message('down', startedAt), ...(endedAt === null ? [] : [message('recovered', endedAt)])];
  });
}
