import type { StartedCluster } from './start-cluster';

/** Where the parts of a cluster are, one a line: name, process, port, log. */
export function whereText({ servers, services }: Pick<StartedCluster, 'servers' | 'services'>): string {
  const rows = [...servers, ...services].map(({ name, pid, port, logFile }) => [
    name,
    String(pid()),
    String(port),
    logFile ?? '',
  ]);
  const table = [['', 'process', 'port', 'log'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`);
  return ['', 'The parts:', '', ...lines.map((line) => line.trimEnd()), ''].join('\n');
}
