import type { Verdict } from './checker/check';
import { type Lateness, latenessOf } from './checker/lateness';
import { recoveriesOf, type Recovery, WELL_LAG_MS } from './checker/recoveries';
import { type ViolationKind, VIOLATION_KINDS } from './checker/verdict';
import type { Entry } from './journal/entries';

/** How each kind of violation is called in the table. */
const TITLES: Record<ViolationKind, string> = {
  lost: 'acknowledged pings lost',
  doubled: 'pings twice in the history',
  invented: 'pings in the history that nobody sent',
  misdated: 'pings with a wrong time',
  refused: 'valid pings answered as if they were wrong',
  false: 'false alarms',
  missed: 'missed alarms',
  duplicate: 'duplicates without the same key',
  order: 'order violations',
  garbled: 'messages that cannot be read',
  leftover: 'things put aside or left undone',
  ended: 'times that it ended by itself',
};
const SHOWN_VIOLATIONS = 40;

/** The tables of a run, for people. */
export function reportText(entries: readonly Entry[], { figures, violations }: Verdict): string {
  const count = (kind: ViolationKind): number => violations.filter((each) => each.kind === kind).length;
  const rows: [string, string][] = [
    ['heartbeats', String(figures.heartbeats)],
    ['pings acknowledged', String(figures.pingsAcknowledged)],
    ['pings failed (tried again)', String(figures.pingsFailed)],
    ['alarms due', String(figures.alarmsDue)],
    ['alarms sent', String(figures.alarmsSent)],
    ['  of which cannot be judged', String(figures.alarmsOpen)],
    ['  told after the deadline: median, 95 %, longest', latenessText(latenessOf(entries))],
    ['messages', String(figures.messages)],
    ['  of which again, under the same key', String(figures.repeats)],
    ...VIOLATION_KINDS.map((kind): [string, string] => [TITLES[kind], String(count(kind))]),
  ];
  const shown = violations
    .slice(0, SHOWN_VIOLATIONS)
    .map(({ kind, id, what }) => `  ${kind}: ${what}${id ? ` (${id})` : ''}`);
  const rest = violations.length - shown.length;
  return [
    table(rows),
    recoveryText(recoveriesOf(entries)),
    ...(violations.length > 0 ? [`${violations.length} violations:`, ...shown] : ['no violation']),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
    '',
  ].join('\n');
}

/** One line for each fault, in the order in which they ended. */
function recoveryText(recoveries: readonly Recovery[]): string {
  const rows = recoveries.map(({ fault, pingsAfterMs, lagAfterMs }): string[] => [
    fault.name,
    seconds(pingsAfterMs),
    seconds(lagAfterMs),
  ]);
  return table([['fault', 'pings everywhere after', `lag below ${WELL_LAG_MS / 1000} s after`], ...rows]);
}

function latenessText(lateness: Lateness | null): string {
  return lateness === null ? '-' : [lateness.medianMs, lateness.p95Ms, lateness.maxMs].map(seconds).join(', ');
}

function seconds(ms: number | null): string {
  return ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
