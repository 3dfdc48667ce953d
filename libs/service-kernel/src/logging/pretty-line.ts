const HIDDEN = new Set(['level', 'time', 'msg', 'pid', 'hostname', 'err']);
const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/** Turns one JSON log line into a short one for people: time, level when it matters, message, fields. */
export function prettyLine(json: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const time = typeof entry['time'] === 'number' ? new Date(entry['time']).toISOString().slice(11, 19) : '';
  const level = LEVELS[Number(entry['level'])] ?? 'info';
  const fields = Object.entries(entry)
    .filter(([name]) => !HIDDEN.has(name))
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');
  const error = entry['err'] as { message?: unknown; stack?: unknown } | undefined;
  const cause = error ? `\n  ${String(error.stack ?? error.message ?? error)}` : '';
  return `${time}${level === 'info' ? '' : ` ${level.toUpperCase()}`} ${String(entry['msg'] ?? '')}${fields}${cause}\n`;
}
