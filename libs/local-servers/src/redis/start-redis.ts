import * as fs from 'node:fs';
import * as path from 'node:path';

import { findFreePorts } from '../free-ports';
import { LocalServer } from '../local-server';
import { probe } from '../probe';
import { serverEnvironment } from '../server-environment';
import { findRedis } from './find-redis';
import { redisConfiguration, type RedisSettings } from './redis-configuration';

export interface RedisOptions extends Pick<RedisSettings, 'appendonly' | 'maxmemoryPolicy'> {
  /** where everything is kept; made when missing. The caller sees to it that nobody else uses it. */
  dataDir: string;
  /** default: a free one */
  port?: number;
  /** a line about what takes long, for the person who waits */
  onLog?: (line: string) => void;
  /** told of each process at once, before it is ready */
  onSpawn?: (pid: number) => void;
}

/** A running Redis on 127.0.0.1, without a password. */
export interface Redis {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly server: LocalServer;
  /** Ends it. The data stay, for the next `startRedis`. */
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
}

/** It writes what it has and ends within milliseconds, unless the disk hangs. */
const STOP_PATIENCE_MS = 5_000;

/**
 * Starts a Redis on the data in a folder; what an earlier, killed start left running there is ended first. Throws
 * MissingProgram, ProvisioningFailed, ServerDidNotStart; then nothing runs.
 */
export async function startRedis(options: RedisOptions): Promise<Redis> {
  const { onSpawn, onLog = () => undefined, appendonly, maxmemoryPolicy } = options;
  const program = await findRedis(onLog);
  fs.mkdirSync(options.dataDir, { recursive: true });
  const dir = fs.realpathSync(options.dataDir);
  const configFile = path.join(dir, 'redis.conf');
  const [free = 0] = await findFreePorts(1);
  const port = options.port ?? free;
  fs.writeFileSync(configFile, redisConfiguration({ port, dir, appendonly, maxmemoryPolicy }));
  const server = new LocalServer({
    ...{ name: 'redis', port, program, args: [configFile], env: serverEnvironment(), cwd: dir, configFile, onSpawn },
    logFile: path.join(dir, 'redis.log'),
    // While it still loads its data it answers -LOADING.
    probe: () => probe(port, Buffer.from('PING\r\n'), (answer) => answer.toString('latin1').startsWith('+PONG')),
    stopPatienceMs: STOP_PATIENCE_MS,
  });
  await server.start();
  return {
    url: `redis://${server.address}`,
    server,
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}
