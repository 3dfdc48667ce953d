import { homedir } from 'node:os';
import * as path from 'node:path';

/** Where downloads are kept for every checkout of this user: `$XDG_CACHE_HOME/flatline`, or `~/.cache/flatline`. */
export function defaultCacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'];
  // A relative one is to be ignored, says the XDG base directory specification.
  return path.join(base && path.isAbsolute(base) ? base : path.join(homedir(), '.cache'), 'flatline');
}
