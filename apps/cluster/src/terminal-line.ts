import { prettyLine } from '@flatline/service-kernel';

/** As the logger numbers levels. */
const WARN = 40;
const ERROR = 50;

export interface TerminalView {
  readonly isPretty: boolean;
  /** Processes that start at the same time warn of one another's absence; what stays away is said by the supervisor. */
  readonly isStarting: boolean;
}

/**
 * What of a line of a service's output is shown to the person at the terminal, null for nothing: warnings and worse,
 * and whatever is no line of the log: alerts of the terminal channel, the sentence of a process that did not start, the
 * last words of one that crashed.
 */
export function terminalLine(line: string, { isPretty, isStarting }: TerminalView): string | null {
  const level = levelOf(line);
  if (level === null) return line.trim() === '' ? null : line;
  if (level < (isStarting ? ERROR : WARN)) return null;
  return isPretty ? prettyLine(line).trimEnd() : line;
}

function levelOf(line: string): number | null {
  if (!line.startsWith('{')) return null;
  try {
    const { level } = JSON.parse(line) as { level?: unknown };
    return typeof level === 'number' ? level : null;
  } catch {
    return null; // not one of the log's
  }
}
