/**
 * Compiles apps/, libs/ and tools/chaos/ to dist/, mirroring the source tree. No type check (that is `npm run typecheck`).
 *
 * Usage: node tools/build.mjs [--quiet]
 * Also importable: `const { build } = await import('./build.mjs'); await build({ quiet: true })`.
 *
 * In:  every .ts file that is not a test, every asset beside it (.sql, .json, .html, ...), .swcrc, tsconfig.base.json
 * Out: dist/** with source maps; `@flatline/*` becomes a relative require, so `node dist/apps/<app>/main.js` needs no loader
 * Exit code: 0 built or nothing to do, 1 a file does not compile (named on stderr; the others are still written)
 *
 * Incremental: dist/.build.json remembers size, mtime and hash of every source; a file whose mtime alone moved (a copied
 * tree) is not compiled again. A change of compiler, settings or this file starts over. Files are written aside and renamed, and one builder at a time holds dist/.lock.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withLock } from './lock.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const dist = path.join(root, 'dist');
const manifestFile = path.join(dist, '.build.json');
const sourceRoots = ['apps', 'libs', 'tools/chaos'];
const skippedFolders = new Set(['node_modules', 'dist', 'tmp', 'coverage', 'e2e']);
/** Files of the workspace itself; they never run. */
const skippedFiles =
  /(\.(spec|integration-spec|contract-spec|contract-suite|e2e-spec)\.tsx?|\.d\.ts|\.md|^project\.json|^tsconfig.*\.json|~)$/;
/** What the tests of an app share; the test kit itself is built, because Jest's global set-up runs it. */
const testSupport = /^apps\/.*\/test-[^/]+\.ts$/;

/** Sources below apps/ and libs/ as `relative path -> "size:mtime"`. */
function scan() {
  const found = new Map();
  const walk = (folder) => {
    for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const relative = `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!skippedFolders.has(entry.name)) walk(relative);
      } else if (entry.isFile() && !entry.name.startsWith('.') && !skippedFiles.test(entry.name)) {
        if (testSupport.test(relative)) continue;
        const stat = fs.statSync(path.join(root, relative), { throwIfNoEntry: false });
        if (stat) found.set(relative, `${stat.size}:${stat.mtimeMs}`);
      }
    }
  };
  for (const folder of sourceRoots) if (fs.existsSync(path.join(root, folder))) walk(folder);
  return found;
}

/** Hash over everything besides the sources that shapes the output. */
function settingsFingerprint() {
  const hash = createHash('sha256');
  for (const file of ['.swcrc', 'tsconfig.base.json', 'tools/build.mjs', 'node_modules/@swc/core/package.json']) {
    hash
      .update(file)
      .update('\0')
      .update(fs.readFileSync(path.join(root, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

function readManifest() {
  try {
    return JSON.parse(fs.readFileSync(manifestFile, 'utf8'));
  } catch {
    return { fingerprint: '', files: {} }; // missing or damaged: build everything
  }
}

const hashOf = (source) =>
  createHash('sha256')
    .update(fs.readFileSync(path.join(root, source)))
    .digest('hex');

const outputsOf = (source) =>
  source.endsWith('.ts') ? [source.replace(/\.ts$/, '.js'), source.replace(/\.ts$/, '.js.map')] : [source];

/** What differs from the last build; empty lists mean dist/ is up to date. */
function plan() {
  const fingerprint = settingsFingerprint();
  const previous = readManifest();
  const known = previous.fingerprint === fingerprint ? previous.files : {};
  const sources = scan();
  const isUnchanged = (source) =>
    known[source] !== undefined &&
    outputsOf(source).every((file) => fs.existsSync(path.join(dist, file))) &&
    (known[source].stamp === sources.get(source) || known[source].hash === hashOf(source));
  const changed = [...sources.keys()].filter((source) => !isUnchanged(source));
  const wanted = new Set([...sources.keys()].flatMap(outputsOf));
  const stale = Object.keys(previous.files)
    .flatMap(outputsOf)
    .filter((file) => !wanted.has(file));
  return { fingerprint, sources, changed, stale };
}

/** `@flatline/domain` in libs/timers/src/a.ts -> `../../domain/src/index.js`. */
function aliasResolver() {
  const { paths } = JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.base.json'), 'utf8')).compilerOptions;
  return (code, source) =>
    code.replace(/\b(require(?:\.resolve)?\(\s*)(["'])(@flatline\/[\w./-]+)\2/g, (match, call, quote, alias) => {
      const target = paths[alias]?.[0];
      if (!target) throw new Error(`${alias} is not among the paths of tsconfig.base.json`);
      const relative = path.posix.relative(
        path.posix.dirname(source),
        target.replace(/^\.\//, '').replace(/\.ts$/, '.js'),
      );
      return `${call}${quote}${relative.startsWith('.') ? relative : `./${relative}`}${quote}`;
    });
}

/** Rename is atomic: a process that starts meanwhile sees the old file or the new one, never half of one. */
function writeOutput(file, content) {
  const target = path.join(dist, file);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  const aside = `${target}.${process.pid}.tmp`;
  fs.writeFileSync(aside, content);
  fs.renameSync(aside, target);
}

/** swc adds its own call stack to a syntax error; the reader needs the place and the reason. */
const describe = (error) =>
  String(error?.message ?? error)
    .split(/\n+(?:Caused by|Stack backtrace):/)[0]
    .trimEnd();

async function compile({ fingerprint, sources, changed, stale }) {
  const swc = createRequire(import.meta.url)('@swc/core');
  const { $schema: _schema, ...swcOptions } = JSON.parse(fs.readFileSync(path.join(root, '.swcrc'), 'utf8'));
  const rewriteAliases = aliasResolver();
  const failures = [];
  const hashes = new Map(); // of what was compiled, not of what an editor saved a moment later

  const compileOne = async (source) => {
    const content = fs.readFileSync(path.join(root, source));
    hashes.set(source, createHash('sha256').update(content).digest('hex'));
    if (!source.endsWith('.ts')) return writeOutput(source, content);
    const [js, map] = outputsOf(source);
    const output = await swc.transform(content.toString('utf8'), {
      ...swcOptions,
      swcrc: false,
      configFile: false,
      filename: path.join(root, source),
      sourceFileName: path.posix.relative(path.posix.dirname(`dist/${source}`), source),
      sourceMaps: true,
    });
    writeOutput(map, output.map);
    writeOutput(js, `${rewriteAliases(output.code, source)}\n//# sourceMappingURL=${path.posix.basename(map)}\n`);
  };

  await Promise.all(
    changed.map((source) => compileOne(source).catch((error) => failures.push({ source, message: describe(error) }))),
  );
  for (const file of stale) fs.rmSync(path.join(dist, file), { force: true });

  const failed = new Set(failures.map(({ source }) => source));
  const files = Object.fromEntries(
    [...sources]
      .filter(([source]) => !failed.has(source))
      .map(([source, stamp]) => [source, { stamp, hash: hashes.get(source) ?? hashOf(source) }]),
  );
  writeOutput('.build.json', JSON.stringify({ fingerprint, files }));
  return failures;
}

/** Reads only. */
export function isUpToDate() {
  const { changed, stale } = plan();
  return changed.length + stale.length === 0;
}

/**
 * Brings dist/ up to date. Writes nothing when it already is, so a read-only dist/ is fine then.
 * @returns {Promise<{compiled: number, removed: number, ms: number}>}
 * @throws Error naming each file that does not compile
 */
export async function build({ quiet = false } = {}) {
  const startedAt = performance.now();
  let todo = plan();
  let failures = [];
  if (todo.changed.length + todo.stale.length > 0) {
    fs.mkdirSync(dist, { recursive: true });
    await withLock(path.join(dist, '.lock'), async () => {
      todo = plan(); // another builder may have done the work while we waited
      if (todo.changed.length + todo.stale.length > 0) failures = await compile(todo);
    });
  }
  const ms = Math.round(performance.now() - startedAt);
  if (failures.length > 0) {
    throw new Error(failures.map(({ source, message }) => `${source} does not compile:\n${message}`).join('\n'));
  }
  if (!quiet) console.log(`built ${todo.changed.length} files, removed ${todo.stale.length}, ${ms} ms`);
  return { compiled: todo.changed.length, removed: todo.stale.length, ms };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  build({ quiet: process.argv.includes('--quiet') }).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
