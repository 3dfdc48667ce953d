import type { Entry, IncidentsEntry, MessageEntry } from '../journal/entries';

/** How long after their deadline alarms were told, ms. */
export interface Lateness {
  readonly medianMs: number;
  /** Of a hundred alarms five were later. */
  readonly p95Ms: number;
  readonly maxMs: number;
}

/** Of the first message of each incident to receivers that take everything; null: nobody was told of anything. */
export function latenessOf(entries: readonly Entry[]): Lateness | null {
  const run = entries.find((entry) => entry.type === 'run');
  const steady = new Set(run?.receivers.filter(({ isFlaky }) => !isFlaky).map(({ name }) => name));
  const startedAt = new Map(
    entries
      .filter((entry): entry is IncidentsEntry => entry.type === 'incidents')
      .flatMap(({ incidents }) => incidents.map((incident) => [incident.id, incident.startedAt])),
  );
  const first = new Map<string, number>();
  for (const message of entries.filter((entry): entry is MessageEntry => entry.type === 'message')) {
    if (message.transition !== 'down' || !steady.has(message.receiver) || first.has(message.incidentId)) continue;
    const downAt = startedAt.get(message.incidentId);
    if (downAt !== undefined) first.set(message.incidentId, message.at - downAt);
  }
  const sorted = [...first.values()].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return sorted.length === 0 ? null : { medianMs: at(0.5), p95Ms: at(0.95), maxMs: sorted.at(-1)! };
}
