import * as fs from 'node:fs';
import * as path from 'node:path';

import { type Binaries, MAJOR_VERSION } from './binaries';
import { DataDirectoryNotWritable, DiskFull, OtherMajorVersion, ownerAndRemedy, PostgresDidNotStart } from './errors';
import { endLeftovers } from './leftovers';
import { syncDirectory } from './private-file';
import { type RunAs, type ServerUser } from './run-as';
import { runProgram } from './run-program';

/** The superuser and the database of the product. */
export const ROLE = 'flatline';
export const DATABASE = 'flatline';

/** What is being made stands beside what is complete and gets its name only at the very end. */
const UNFINISHED = 'postgres.unfinished-';

export interface ClusterPlace {
  dataDir: string;
  /** the folder of Postgres itself in the data directory */
  pgData: string;
  binaries: Binaries;
  runAs: RunAs;
  user: ServerUser;
}

/**
 * The version of the data in `pgData`, which must be ours to read, or null when there are none yet.
 * Throws OtherMajorVersion, DataDirectoryNotWritable.
 */
export function inspectCluster(dataDir: string, pgData: string): string | null {
  const folder = fs.statSync(pgData, { throwIfNoEntry: false });
  if (!folder) return null;
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0 && folder.uid !== uid) {
    throw new DataDirectoryNotWritable(dataDir, `this user may not use ${pgData}, ${ownerAndRemedy(pgData, dataDir)}`);
  }
  const versionFile = path.join(pgData, 'PG_VERSION');
  if (!fs.existsSync(versionFile)) {
    if (fs.readdirSync(pgData).length === 0) return null;
    throw new DataDirectoryNotWritable(dataDir, `${pgData} holds files that are not a Postgres database`);
  }
  const version = fs.readFileSync(versionFile, 'utf8').trim();
  if (version !== MAJOR_VERSION) throw new OtherMajorVersion(pgData, version, MAJOR_VERSION);
  return version;
}

/**
 * Makes the database files: UTF-8, ordered by code point with Unicode's own upper and lower case, nobody gets in
 * without the password. All or nothing: an attempt that was killed is thrown away by the next.
 */
export async function createCluster(place: ClusterPlace, password: string): Promise<void> {
  const { dataDir, pgData, binaries, runAs, user } = place;
  await removeUnfinished(dataDir);
  const draft = fs.mkdtempSync(path.join(dataDir, UNFINISHED));
  const data = path.join(draft, 'data');
  const passwordFile = path.join(draft, 'password');
  fs.writeFileSync(passwordFile, password, { mode: 0o600 });
  giveAll(draft, user);
  const args = [
    ...['-D', data, '--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    ...[`--username=${ROLE}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
  ];
  const { code, output } = await runProgram(runAs(binaries.initdb, args, 'KILL'));
  if (code !== 0) throw explainFailure(dataDir, 'its first database could not be made', output);
  await runSql({ ...place, pgData: data }, `CREATE DATABASE ${DATABASE};`);
  fs.rmSync(pgData, { recursive: true, force: true }); // an empty folder, see inspectCluster
  fs.renameSync(data, pgData);
  syncDirectory(dataDir);
  await removeUnfinished(dataDir);
}

/** Gives the product's role another password; the old one was lost. The server must not be running. */
export async function resetPassword(place: ClusterPlace, password: string): Promise<void> {
  await runSql(place, `ALTER ROLE ${ROLE} PASSWORD '${password}';`);
}

/** What root finds owned by root (copied back from a backup, say) goes to the user who has to open it. */
export function giveAll(directory: string, { uid, gid }: ServerUser): void {
  if (process.getuid?.() !== 0) return;
  fs.lchownSync(directory, uid, gid);
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) giveAll(file, { uid, gid });
    else fs.lchownSync(file, uid, gid);
  }
}

/** Postgres without a server: one session on the files themselves, commands on standard input. */
async function runSql({ dataDir, pgData, binaries, runAs }: ClusterPlace, sql: string): Promise<void> {
  const { code, output } = await runProgram(
    runAs(binaries.postgres, ['--single', '-D', pgData, 'template1'], 'INT'),
    `${sql}\n`,
  );
  // It goes on after a failed command, and ends well.
  const isRefused = output.some((line) => /\b(ERROR|FATAL|PANIC): /.test(line));
  if (code !== 0 || isRefused) throw explainFailure(dataDir, 'its database could not be set up', output);
}

/** What initdb had begun goes on for a while when initdb is killed, and would write into the folder that is removed. */
async function removeUnfinished(dataDir: string): Promise<void> {
  for (const name of fs.readdirSync(dataDir).filter((entry) => entry.startsWith(UNFINISHED))) {
    const draft = path.join(dataDir, name);
    const data = path.join(draft, 'data');
    if (fs.existsSync(data)) await endLeftovers(data);
    fs.rmSync(draft, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** What it tells clients that come too early or too late: no reason for anything. */
const TURNED_AWAY = /FATAL: +the database system is /;

/** Puts a sentence on what Postgres wrote before it gave up. */
export function explainFailure(dataDir: string, what: string, output: readonly string[]): Error {
  if (output.some((line) => /No space left on device|Disk quota exceeded/i.test(line))) return new DiskFull(dataDir);
  const said = output.filter((line) => !TURNED_AWAY.test(line));
  const complaint =
    said.findLast((line) => /(PANIC|FATAL|ERROR|error): /.test(line)) ?? said.at(-1) ?? 'it said nothing';
  return new PostgresDidNotStart(`${what} (${complaint.trim()}).`, output);
}
