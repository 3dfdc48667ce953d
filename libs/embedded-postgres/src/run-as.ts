import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';

import { CannotDropPrivileges, DataDirectoryNotWritable, NoBinaries } from './errors';

export interface ServerUser {
  uid: number;
  gid: number;
}

/** A program with everything needed to start it as the right user. */
export interface Invocation {
  file: string;
  args: string[];
  options: { cwd: string; env: NodeJS.ProcessEnv; uid?: number; gid?: number };
}

/** Wraps a program of Postgres; `onParentDeath` is the signal it gets when this process dies, where the system can. */
export type RunAs = (program: string, args: string[], onParentDeath: 'INT' | 'KILL') => Invocation;

interface Way {
  runAs: RunAs;
  /** its first try failed with this */
  failure?: string;
}

/** Nothing of the caller's environment reaches Postgres: PGDATA, PGPORT, LC_ALL and others would change what it does. */
const ENVIRONMENT: NodeJS.ProcessEnv = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

const options = { cwd: '/', env: ENVIRONMENT };

/**
 * Whose process Postgres becomes: ours, or, for root, whom Postgres refuses, the owner of the data as they are, else
 * the owner of the data directory, else `postgres`, else `nobody`. Keeping the owner lets the same data be used with
 * and without root.
 */
export function chooseServerUser(pgData: string, dataDir: string): ServerUser {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (uid !== 0) return { uid, gid };
  for (const directory of [pgData, dataDir]) {
    const owner = fs.statSync(directory, { throwIfNoEntry: false });
    if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  }
  const users = fs.readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , theirUid, theirGid] = users.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (theirUid && theirGid) return { uid: Number(theirUid), gid: Number(theirGid) };
  }
  throw new CannotDropPrivileges(
    'Postgres does not run as root and there is no user postgres or nobody to run it as; start Flatline as an ordinary user.',
  );
}

/**
 * The first way of running Postgres that works here, tried with `postgres --version` from within the data directory.
 *
 * For root: another user's id alone, if that user can reach the program and the data; if they lie below a directory
 * closed to that user (/root, say), with the one capability to pass closed directories, which the server then keeps;
 * DAC_READ_SEARCH is enough unless the program itself is closed, but containers often have DAC_OVERRIDE only.
 * Postgres asks access(2), which ignores capabilities of ordinary users unless NO_SETUID_FIXUP is set.
 *
 * Throws NoBinaries, CannotDropPrivileges, DataDirectoryNotWritable.
 */
export function findRunAs(postgres: string, dataDir: string, user: ServerUser): RunAs {
  const isRoot = process.getuid?.() === 0;
  const ways = isRoot ? waysForRoot(user) : [throughSetpriv([]), directly()];
  const tried = ways.map((runAs): Way => ({ runAs }));
  for (const way of tried) {
    way.failure = tryOut(way.runAs, postgres, dataDir);
    if (way.failure === undefined) return way.runAs;
  }
  // The second way of both lists is the one that needs nothing but Postgres itself.
  const why = tried[1]?.failure?.trim().split('\n').at(-1) ?? 'it does not run';
  if (/shared librar|not found|GLIBC|cannot execute|Exec format/i.test(why)) {
    throw new NoBinaries(`The embedded Postgres does not run on this system (${why})`);
  }
  if (!isRoot) throw new DataDirectoryNotWritable(dataDir, `Postgres cannot enter it (${why})`);
  throw new CannotDropPrivileges(
    `Postgres does not run as root, and user ${user.uid} cannot reach ${postgres} and ${dataDir} (${why}): ` +
      'start Flatline as an ordinary user or put both where others may enter.',
  );
}

function waysForRoot(user: ServerUser): RunAs[] {
  const id = [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
  const keeping = (capability: string) => [
    ...id,
    '--securebits=+no_setuid_fixup',
    ...['inh-caps', 'ambient-caps', 'bounding-set'].map((set) => `--${set}=-all,+${capability}`),
  ];
  return [
    throughSetpriv(id),
    directly(user),
    throughSetpriv(keeping('dac_read_search')),
    throughSetpriv(keeping('dac_override')),
  ];
}

/** setpriv (util-linux, on every Debian) also arranges the signal at our death, which Node cannot. */
function throughSetpriv(privileges: string[]): RunAs {
  return (program, args, onParentDeath) => ({
    file: 'setpriv',
    args: [...privileges, '--pdeathsig', onParentDeath, '--', program, ...args],
    options,
  });
}

function directly(user?: ServerUser): RunAs {
  return (program, args) => ({ file: program, args, options: { ...options, ...user } });
}

/** undefined: it works; otherwise what was said. */
function tryOut(runAs: RunAs, postgres: string, dataDir: string): string | undefined {
  const script = 'cd -- "$1" && exec "$0" --version';
  const { file, args, options } = runAs('/bin/sh', ['-c', script, postgres, dataDir], 'KILL');
  const { status, error, stderr } = spawnSync(file, args, { ...options, encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? undefined : (error?.message ?? stderr);
}
