import type { Entry, HistoryEntry, IncidentsEntry, MessageEntry, PingEntry, ToldIncident } from '../journal/entries';
import { messagesInOrder, SAMPLE_STARTED_AT, toldOf } from './sample-run';

/** Entries of one kind, of one job, replaced. */
export function change<Type extends Entry['type']>(
  entries: readonly Entry[],
  type: Type,
  id: string,
  replace: (entry: Extract<Entry, { type: Type }>) => Entry[],
): Entry[] {
  return entries.flatMap((entry) =>
    entry.type === type && 'id' in entry && entry.id === id
      ? replace(entry as Extract<Entry, { type: Type }>)
      : [entry],
  );
}

/** The history of a heartbeat, as the API tells it, changed. */
export const history =
  (id: string, replace: (pings: HistoryEntry['pings']) => HistoryEntry['pings']) => (entries: Entry[]) =>
    change(entries, 'history', id, (entry) => [{ ...entry, pings: replace(entry.pings) }]);

/** The incidents of a heartbeat, changed. */
export const incidents =
  (id: string, replace: (all: readonly ToldIncident[]) => ToldIncident[]) => (entries: Entry[]) =>
    change(entries, 'incidents', id, (entry: IncidentsEntry) => [{ ...entry, incidents: replace(entry.incidents) }]);

/** What was told of a heartbeat, changed. */
export const messages = (id: string, replace: (message: MessageEntry) => MessageEntry[]) => (entries: Entry[]) => {
  const changed = change(entries, 'message', id, replace);
  return [...changed.filter(({ type }) => type !== 'message'), ...messagesInOrder(changed)];
};

/** Flatline opens an incident, tells of it, and ends it when told. */
export const alarm = (id: string, startedMs: number, endedMs: number | null) => (entries: Entry[]) => {
  const incident: ToldIncident = {
    ...{ id: `${id}!planted`, startedAt: SAMPLE_STARTED_AT + startedMs, reason: 'missed', isRaisedInError: false },
    endedAt: endedMs === null ? null : SAMPLE_STARTED_AT + endedMs,
  };
  const noted = incidents(id, (all) => [...all, incident].sort((a, b) => a.startedAt - b.startedAt))(entries);
  const told = [...noted, ...toldOf(id, incident)];
  return [...told.filter(({ type }) => type !== 'message'), ...messagesInOrder(told)];
};

/** The pings of a job fail in this time. */
export const failing = (id: string, fromMs: number, toMs: number) => (entries: Entry[]) => {
  const isIn = (at: number): boolean => at >= SAMPLE_STARTED_AT + fromMs && at < SAMPLE_STARTED_AT + toMs;
  const failed = change(entries, 'ping', id, (ping) => [
    isIn(ping.sentAt) ? { ...ping, status: 503, pingId: null } : ping,
  ]);
  return history(id, (pings) => pings.filter(({ at }) => !isIn(at)))(failed);
};

/** A process stands still for a time. */
export const freeze = (target: string, fromMs: number, toMs: number) => (entries: Entry[]) => [
  ...entries,
  {
    ...{ type: 'fault' as const, kind: 'freeze', target, name: `freeze ${target}` },
    ...{ startedAt: SAMPLE_STARTED_AT + fromMs, endedAt: SAMPLE_STARTED_AT + toMs },
  },
];

/** A person pauses a heartbeat and resumes it. */
export const pause = (id: string, fromMs: number, toMs: number) => (entries: Entry[]) => [
  ...entries,
  ...(
    [
      ['pause', fromMs],
      ['resume', toMs],
    ] as const
  ).map(([action, ms]): Entry => {
    const sentAt = SAMPLE_STARTED_AT + ms;
    return { type: 'control', id, action, sentAt, endedAt: sentAt + 20 };
  }),
];

/** What is planted into a journal in which all is well. */
export type Plant = (entries: Entry[]) => Entry[];
/** One after the other. */
export const both =
  (...plants: Plant[]): Plant =>
  (entries) =>
    plants.reduce((sum, plant) => plant(sum), entries);
/** The first attempt of a job to ping. */
export const first = (entries: readonly Entry[], id: string): PingEntry =>
  entries.find((entry): entry is PingEntry => entry.type === 'ping' && entry.id === id)!;
