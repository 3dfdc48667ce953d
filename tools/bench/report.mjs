/** What the bench prints and writes. */
import { execFileSync } from 'node:child_process';
import * as os from 'node:os';

/** @param {import('./measures/goals.mjs').Row[]} rows */
export function table(rows) {
  const verdict = ({ isMet }) => (isMet === undefined ? '' : isMet ? 'met' : 'MISSED');
  const cells = [
    ['', 'measured', 'goal', '', 'bare node:http', 'ratio'],
    ...rows.map((row) => [
      row.name,
      row.measured,
      row.goal ?? '',
      verdict(row),
      row.baseline ?? '',
      row.ratio === undefined ? '' : row.ratio.toFixed(2),
    ]),
  ];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}

export function machine() {
  return {
    cores: os.availableParallelism(),
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()}`,
    node: process.version,
    loadAverage: os.loadavg()[0],
  };
}

/** The commit that was measured, with a `+` when the tree differs from it; null outside a repository. */
export function commit(root) {
  const git = (...args) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no').trim() !== '';
    return `${git('rev-parse', '--short', 'HEAD').trim()}${isChanged ? '+' : ''}`;
  } catch {
    return null;
  }
}
