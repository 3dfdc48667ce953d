import { prettyLine } from '@flatline/service-kernel';

/** `warn`, as the logger numbers levels. */
const WARN = 40;

/**
 * What of a line of a service's output is shown to the person at the terminal, null for nothing: warnings and worse,
 * and whatever is no line of the log: alerts of the terminal channel, the sentence of a process that did not start, the
 * last words of one that crashed.
 */
export function terminalLine(line: string, { isPretty }: { isPretty: boolean }): string | null {
  const level = levelOf(line);
  if (level === null) return line.trim() === '' ? null : line;
  if (level < WARN) return null;
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
