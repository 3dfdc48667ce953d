export interface RedisSettings {
  /** of 127.0.0.1 */
  port: number;
  /** where its data go */
  dir: string;
  /** Whether every change is written to a file, which is forced to the disk once a second. Default true. */
  appendonly?: boolean;
  /** What happens when memory is short; default `noeviction`, without which BullMQ loses jobs. */
  maxmemoryPolicy?: string;
}

/** The configuration file of a Redis for one user of one machine. */
export function redisConfiguration({ port, dir, appendonly = true, maxmemoryPolicy = 'noeviction' }: RedisSettings) {
  const directives: [string, string][] = [
    ['bind', '127.0.0.1'],
    ['port', String(port)],
    ['dir', quoted(dir)],
    ['daemonize', 'no'],
    // Its command line names its configuration; that is how an abandoned one is recognised.
    ['set-proc-title', 'no'],
    ['appendonly', appendonly ? 'yes' : 'no'],
    ['appendfsync', 'everysec'],
    // The append-only file is enough, and a snapshot forks.
    ['save', '""'],
    ['maxmemory-policy', maxmemoryPolicy],
  ];
  return directives.map(([name, value]) => `${name} ${value}\n`).join('');
}

/** Redis reads a double-quoted string with the escapes of C. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, (character) => `\\${character}`)}"`;
}
