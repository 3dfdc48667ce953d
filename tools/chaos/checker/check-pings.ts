import type { HistoryEntry, PingEntry } from '../journal/entries';
import type { Truth } from './truth';
import { clock, type Violation } from './verdict';

/** What all machines of an installation may differ by and one is still trusted, and some reading. */
export const SKEW_MS = 1_500;

export interface PingFigures {
  readonly acknowledged: number;
  readonly attempts: number;
}

/** Compares what was acknowledged with one heartbeat's history. */
export function checkPings({ job, attempts }: Truth, history: HistoryEntry['pings']): Violation[] {
  const found: Violation[] = [];
  const add = (kind: Violation['kind'], what: string): void => void found.push({ kind, id: job.id, what });
  const times = new Map<string, number>();
  for (const { id, at } of history) {
    if (times.has(id)) add('doubled', `the ping ${id} is in the history twice`);
    times.set(id, at);
  }
  for (const ping of attempts) {
    if (ping.status !== null && ping.status !== 200 && ping.status < 500) {
      add('refused', `a ping at ${clock(ping.sentAt)} was answered ${ping.status}`);
    }
    if (ping.status !== 200) continue;
    if (ping.pingId === null) add('refused', `a ping at ${clock(ping.sentAt)} was answered 200 without an id`);
    else compare(ping, ping.pingId, times.get(ping.pingId), add);
  }
  const acknowledged = new Set(attempts.filter(({ status }) => status === 200).map(({ pingId }) => pingId));
  const unknown = [...times.keys()].filter((id) => !acknowledged.has(id)).length;
  const doubtful = attempts.filter(({ status }) => status !== 200).length;
  if (unknown > doubtful)
    add('invented', `${unknown} pings in the history were never acknowledged, ${doubtful} failed`);
  return found;
}

function compare(
  ping: PingEntry,
  id: string,
  at: number | undefined,
  add: (kind: Violation['kind'], what: string) => void,
): void {
  if (at === undefined) add('lost', `the ping ${id}, acknowledged at ${clock(ping.endedAt)}, is not in the history`);
  else if (at < ping.sentAt - SKEW_MS || at > ping.endedAt + SKEW_MS) {
    add('misdated', `the ping ${id} of ${clock(ping.sentAt)} to ${clock(ping.endedAt)} has the time ${clock(at)}`);
  }
}
