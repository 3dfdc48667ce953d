import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Flatline } from './flatline';
import { processesOn } from './process-tree';

/** The parts of a cluster as it prints them, `ingest-1` and so on. */
export const CLUSTER_PARTS = [
  'ingest-1',
  'ingest-2',
  'management-api-1',
  'management-api-2',
  'deadline-scheduler-1',
  'deadline-scheduler-2',
  'notifier-1',
  'notifier-2',
  'gateway',
  'Redis',
  'Postgres',
  'Kafka',
] as const;
export type ClusterPart = (typeof CLUSTER_PARTS)[number];

/** The process that a part is now; throws while there is none. Linux only. */
export function pidOfPart({ dataDir, process: supervisor }: Flatline, part: ClusterPart): number {
  const found = processesOn(dataDir).find((pid) => {
    try {
      return isPart(part, pid, { dataDir, port: portOfPart(supervisor.lines, part) });
    } catch {
      return false; // gone in the meantime
    }
  });
  if (found === undefined) throw new Error(`${part} does not run`);
  return found;
}

/** As the cluster printed it; parts keep their ports when they are started again. */
export function portOfPart(lines: readonly string[], part: ClusterPart): number {
  const row = lines.map((line) => line.trim().split(/\s+/)).find(([name]) => name === part);
  if (!row) throw new Error(`the cluster has not told of ${part}`);
  return Number(row[2]);
}

function isPart(part: ClusterPart, pid: number, { dataDir, port }: { dataDir: string; port: number }): boolean {
  if (part === 'Postgres') return pid === Number.parseInt(read(join(dataDir, 'postgres', 'postmaster.pid')), 10);
  const words = read(`/proc/${pid}/cmdline`).split('\0');
  if (part === 'Redis') return words.includes(join(dataDir, 'redis', 'redis.conf'));
  if (part === 'Kafka')
    return words.some((word) => word.startsWith(join(dataDir, 'kafka')) && word.endsWith('.properties'));
  const program = `/apps/${part.replace(/-\d$/, '')}/main.js`;
  return (
    words.some((word) => word.endsWith(program)) && read(`/proc/${pid}/environ`).split('\0').includes(`PORT=${port}`)
  );
}

function read(file: string): string {
  return readFileSync(file, 'utf8');
}
