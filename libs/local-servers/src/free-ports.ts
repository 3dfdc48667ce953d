import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

import { LocalServerError } from './errors';

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux, 49152 on macOS): a server that comes
 * back after a crash finds its port as it left it, and no client that keeps trying a dead server connects to itself.
 */
const FROM = 20_000;
const TO = 32_000;
const ATTEMPTS = 200;

/** Different ports of 127.0.0.1 that nobody listened on a moment ago. */
export async function findFreePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let attempt = 0; attempt < ATTEMPTS && found.size < count; attempt++) {
    const port = randomInt(FROM, TO);
    if (await isFree(port)) found.add(port);
  }
  if (found.size < count) throw new LocalServerError(`no ports are free on 127.0.0.1 between ${FROM} and ${TO}`);
  return [...found];
}

/** Whether nobody listens on this port of 127.0.0.1. */
export function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
