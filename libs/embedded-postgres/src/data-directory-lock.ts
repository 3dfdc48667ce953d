import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

import { AlreadyRunning, EmbeddedPostgresError, explainFileError } from './errors';
import { giveToOwnerOf } from './private-file';

export interface DataDirectoryLock {
  release(): void;
}

/** Held by another open file: what the two commands below exit with then. */
const TAKEN = 9;

/**
 * Ways to call flock(2), which Node cannot. Each locks the open file it inherits as descriptor 3. Such a lock belongs
 * to the open file, not to the process that asked for it: it outlives the command and ends when this process closes
 * the file or dies, however it dies. So there are no stale locks and no guessing whether a process id was re-used.
 */
const COMMANDS: [string, string[]][] = [
  ['flock', ['-n', '-E', String(TAKEN), '3']],
  ['perl', ['-e', `open(my $f, "+<&=", 3) or exit 1; flock($f, 6) or exit($!{EAGAIN} ? ${TAKEN} : 1)`]],
];

/**
 * Takes the data directory (made when missing) for this process, for as long as it lives or until `release`.
 *
 * Throws AlreadyRunning when another process has it, DataDirectoryNotWritable, DiskFull.
 */
export function lockDataDirectory(dataDir: string): DataDirectoryLock {
  const file = path.join(dataDir, 'lock');
  let fd: number;
  try {
    makeDirectory(dataDir);
    fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW, 0o600);
    giveToOwnerOf(dataDir, fd);
  } catch (error) {
    throw explainFileError(error, dataDir, 'always');
  }
  try {
    if (!flock(fd)) throw new AlreadyRunning(dataDir, readHolder(file));
    fs.ftruncateSync(fd);
    fs.writeSync(fd, `${process.pid}\n`, 0);
  } catch (error) {
    fs.closeSync(fd);
    throw explainFileError(error, dataDir);
  }
  return { release: releaseOnce(fd) };
}

/**
 * Like mkdir -p; Node's own never returns in /proc and hides a read-only file system. Others may pass through, so that
 * Postgres under its own user reaches its folder, but see nothing.
 */
function makeDirectory(directory: string): void {
  if (fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  if (directory !== path.dirname(directory)) makeDirectory(path.dirname(directory));
  try {
    fs.mkdirSync(directory, { mode: 0o711 });
  } catch (error) {
    if (!fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

function releaseOnce(fd: number): () => void {
  let isHeld = true;
  return () => {
    if (isHeld) fs.closeSync(fd);
    isHeld = false;
  };
}

/** false: somebody else has it. */
function flock(fd: number): boolean {
  for (const [command, args] of COMMANDS) {
    const { status } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'ignore', fd] });
    if (status === 0) return true;
    if (status === TAKEN) return false;
  }
  throw new EmbeddedPostgresError(
    'The data directory cannot be locked: neither flock (package util-linux) nor perl is there, or its file system has no locks.',
  );
}

function readHolder(file: string): number | null {
  const pid = Number.parseInt(fs.readFileSync(file, 'utf8'), 10);
  return Number.isInteger(pid) ? pid : null;
}
