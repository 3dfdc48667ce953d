import * as fs from 'node:fs';
import * as path from 'node:path';

/**
 * What can keep the embedded Postgres from starting. Every message is one sentence for the person at the terminal:
 * what is wrong and, where there is something to do, what to do. None of them carries a secret.
 */
export class EmbeddedPostgresError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Another process holds the data directory. */
export class AlreadyRunning extends EmbeddedPostgresError {
  constructor(
    readonly dataDir: string,
    /** the holder, where it could be read */
    readonly pid: number | null,
  ) {
    super(`Flatline is already running on the data in ${dataDir}${pid === null ? '' : ` (process ${pid})`}.`);
  }
}

/** The data directory, or something in it, cannot be created, read or written by this user. */
export class DataDirectoryNotWritable extends EmbeddedPostgresError {
  constructor(
    readonly dataDir: string,
    why: string,
    options?: ErrorOptions,
  ) {
    super(`The data directory ${dataDir} cannot be used: ${why}.`, options);
  }
}

/** No space is left where the data are. */
export class DiskFull extends EmbeddedPostgresError {
  constructor(
    readonly dataDir: string,
    options?: ErrorOptions,
  ) {
    super(`The disk that holds ${dataDir} is full; free some space and start again.`, options);
  }
}

/** The data were made by a Postgres whose files this one cannot read. */
export class OtherMajorVersion extends EmbeddedPostgresError {
  constructor(dataDir: string, found: string, needed: string) {
    super(
      `The data in ${dataDir} were made by Postgres ${found} and this is Postgres ${needed}: ` +
        `dump them with version ${found} and load the dump into an empty data directory.`,
    );
  }
}

/** There is no Postgres for this machine, or it does not run here. */
export class NoBinaries extends EmbeddedPostgresError {
  constructor(why: string, options?: ErrorOptions) {
    super(`${why}; set DATABASE_URL to use a Postgres server of your own.`, options);
  }
}

/** Started by root, and no way was found to run Postgres (which refuses to run as root) as somebody else. */
export class CannotDropPrivileges extends EmbeddedPostgresError {}

/** Postgres said no, for a reason not foreseen here. */
export class PostgresDidNotStart extends EmbeddedPostgresError {
  constructor(
    why: string,
    /** the last lines Postgres wrote */
    readonly output: readonly string[],
    options?: ErrorOptions,
  ) {
    super(`The embedded Postgres did not start: ${why}`, options);
  }
}

/** The errno of a failed system call, if that is what `error` is. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/**
 * Turns a failed system call below the data directory into the sentence for it. What is not about permission, place or
 * space is returned as it is, unless `always`: then it is known to be about the directory, whatever it is.
 */
export function explainFileError(error: unknown, dataDir: string, when: 'known' | 'always' = 'known'): unknown {
  const at = (error as NodeJS.ErrnoException | undefined)?.path ?? dataDir;
  switch (errnoOf(error)) {
    case 'EACCES':
    case 'EPERM':
      return new DataDirectoryNotWritable(dataDir, `this user may not use ${at}, ${ownerAndRemedy(at, dataDir)}`, {
        cause: error,
      });
    case 'EROFS':
      return new DataDirectoryNotWritable(dataDir, 'it is on a read-only file system', { cause: error });
    case 'ENOTDIR':
    case 'EEXIST':
      return new DataDirectoryNotWritable(dataDir, `${at} is in the way and not a directory`, { cause: error });
    case 'ENOSPC':
    case 'EDQUOT':
      return new DiskFull(dataDir, { cause: error });
    default:
      if (when === 'known') return error;
      return new DataDirectoryNotWritable(
        dataDir,
        `nothing can be made at ${at} (${errnoOf(error) ?? String(error)})`,
        {
          cause: error,
        },
      );
  }
}

/** "which belongs to root; start as root or …": what a user can do about a file of somebody else. */
export function ownerAndRemedy(file: string, dataDir: string): string {
  let existing = file;
  while (!fs.existsSync(existing) && existing !== path.dirname(existing)) existing = path.dirname(existing);
  const owner = nameOf(fs.statSync(existing).uid);
  const uid = process.getuid?.() ?? 0;
  const remedy =
    uid !== 0 && fs.existsSync(dataDir)
      ? `start Flatline as root, or hand the data over with: sudo chown -R ${nameOf(uid)} ${dataDir}`
      : 'choose another place with FLATLINE_DATA_DIR';
  return `which belongs to ${owner} (${remedy})`;
}

function nameOf(uid: number): string {
  const line = fs
    .readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[2] === String(uid));
  return line?.split(':')[0] ?? String(uid);
}
