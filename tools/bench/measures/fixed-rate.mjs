/** One run of the open-loop generator against a server, in the generator's own process. */
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inChild } from '../load/in-child.mjs';

const generator = fileURLToPath(new URL('../load/open-loop.mjs', import.meta.url));
const CONNECTIONS = 128;

/**
 * @param {{ host: string, port: number }} server
 * @param {{ paths: string[], rate: number, seconds: number, idsFile?: string, onStarted?: () => void }} load
 */
export function pingAtRate({ host, port }, { onStarted, ...load }) {
  return inChild(generator, { host, port, connections: CONNECTIONS, ...load }, { onStarted });
}

/** Pings each path once, at `rate`. */
export const pingOnce = (server, paths, rate, options = {}) =>
  pingAtRate(server, { paths, rate, seconds: paths.length / rate, ...options });

export const idsFileIn = (workDir, name) => path.join(workDir, `${name}.ids`);
