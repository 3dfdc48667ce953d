/** One run of the open-loop generator against a server, in the generator's own process. */
import { fileURLToPath } from 'node:url';
import { inChild } from '../load/in-child.mjs';

const generator = fileURLToPath(new URL('../load/open-loop.mjs', import.meta.url));
/** Jobs do not share connections; with too few of them the loop would close, and the server set its own pace. */
const connectionsFor = (rate) => Math.min(1_024, Math.max(64, Math.ceil(rate / 8)));

/**
 * @param {{ host: string, port: number } | { host: string, port: number }[]} to several share the connections
 * @param {{ paths: string[], rate: number, seconds: number, idsFile?: string, onStarted?: () => void }} load
 */
export function pingAtRate(to, { onStarted, ...load }) {
  const servers = [to].flat().map(({ host, port }) => ({ host, port }));
  return inChild(generator, { servers, connections: connectionsFor(load.rate), ...load }, { onStarted });
}

/** Pings each path once, at `rate`. */
export const pingOnce = (to, paths, rate, options = {}) =>
  pingAtRate(to, { paths, rate, seconds: paths.length / rate, ...options });
