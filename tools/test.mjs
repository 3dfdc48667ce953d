/**
 * `npm test`: every check of the workspace. Installs first what is missing.
 *
 * Usage: node tools/test.mjs [check ...]     checks: format lint typecheck unit integration contract e2e e2e-cluster
 *        (default: all)
 * Out:   each check's own output, a table, and as the very last line `N passed, N failed` or `N passed, N failed, N skipped`
 * Exit code: 0 when nothing failed and at least one test ran, 1 otherwise, 130/143 when interrupted
 *
 * Counting: a test is one; format, lint and typecheck are one each; a test file that did not run, a jest that crashed,
 * hung or found no test at all is one failure each. A failing check does not keep the others from running.
 *
 * Two cores: static checks run two at a time; tests with servers run kind after kind, two files at a time, and those on a
 * cluster one by one, because it keeps both cores busy. They mostly wait.
 */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const results = path.join(root, 'tmp', 'test-results');
const minute = 60_000;
/** The whole run ends before this, whatever hangs. It takes about a third of it; a busy machine is no failure. */
const endsAt = performance.now() + 45 * minute;
/** Jest has written its results and should be gone; open handles keep it. */
const lingerMs = 20_000;

const bin = (file) => path.join(root, 'node_modules', file);
const jest = (kind, timeoutMs, ...args) => ({
  name: kind,
  timeoutMs,
  report: path.join(results, `${kind}.json`),
  args: [
    bin('jest/bin/jest.js'),
    `--selectProjects=${kind}`,
    '--json',
    `--outputFile=${path.join(results, `${kind}.json`)}`,
    ...args,
  ],
});

/** Checks of one list run two at a time, the lists one after the other. */
const stages = [
  [
    { name: 'typecheck', timeoutMs: 5 * minute, args: [bin('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
    { name: 'lint', timeoutMs: 5 * minute, args: [path.join(root, 'tools', 'lint.mjs')] },
    { name: 'format', timeoutMs: 5 * minute, args: [bin('prettier/bin/prettier.cjs'), '--check', '.'] },
    jest('unit', 5 * minute, '--maxWorkers=2'),
  ],
  [jest('integration', 14 * minute, '--maxWorkers=2')],
  [jest('contract', 10 * minute, '--maxWorkers=2')],
  [jest('e2e', 16 * minute, '--maxWorkers=2')],
  [jest('e2e-cluster', 16 * minute, '--runInBand')],
];

const running = new Set();

/** Children lead process groups of their own, so that a hung one goes with all it started. */
function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // gone already
  }
}

function run({ args, report, timeoutMs }, buffered) {
  const child = spawn(process.execPath, args, {
    cwd: root,
    detached: true,
    env: { ...process.env, CI: 'true', NX_DAEMON: 'false' },
    // --json makes jest print the report on stdout as well; what people read is on stderr.
    stdio: ['ignore', report ? 'ignore' : 'pipe', buffered ? 'pipe' : 'inherit'],
  });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const limitMs = Math.max(0, Math.min(timeoutMs, endsAt - startedAt));
    let complaint = null;
    let reportSeenAt = null;
    const watch = setInterval(() => {
      const now = performance.now();
      if (report && reportSeenAt === null && fs.existsSync(report)) reportSeenAt = now;
      if (now - startedAt > limitMs) complaint ??= `stopped after ${Math.round(limitMs / 1000)} s`;
      else if (reportSeenAt !== null && now - reportSeenAt > lingerMs) complaint ??= 'did not end after its last test';
      if (complaint) killGroup(child, 'SIGKILL');
    }, 250);
    const done = (code) => {
      clearInterval(watch);
      running.delete(child);
      resolve({ code, complaint, output, ms: performance.now() - startedAt });
    };
    child.once('error', (error) => {
      complaint = error.message;
      done(1);
    });
    child.once('close', (code) => done(code ?? 1));
  });
}

/** What a check adds to the sum. */
function count({ report }, { code, complaint }) {
  if (!report) {
    const isPassed = code === 0 && !complaint;
    return { passed: isPassed ? 1 : 0, failed: isPassed ? 0 : 1, skipped: 0, tests: 0, note: complaint };
  }
  let summary;
  try {
    summary = JSON.parse(fs.readFileSync(report, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0, tests: 0, note: complaint ?? 'crashed without a report' };
  }
  const counted = {
    passed: summary.numPassedTests,
    failed: summary.numFailedTests + summary.numRuntimeErrorTestSuites,
    skipped: summary.numPendingTests + summary.numTodoTests,
    tests: summary.numTotalTests,
    note: complaint,
  };
  if (summary.numRuntimeErrorTestSuites > 0) counted.note ??= `${summary.numRuntimeErrorTestSuites} files did not run`;
  if (counted.tests === 0 && counted.failed === 0) {
    counted.failed = 1;
    counted.note ??= 'no tests found';
  } else if (complaint || (code !== 0 && counted.failed === 0)) {
    counted.failed += 1;
    counted.note ??= `exit code ${code} although no test failed`;
  }
  return counted;
}

async function runCheck(check, buffered, rows) {
  if (check.report) fs.rmSync(check.report, { force: true });
  if (!buffered) console.log(`\n--- ${check.name}`);
  const outcome = await run(check, buffered);
  const counted = count(check, outcome);
  if (buffered) console.log(`\n--- ${check.name}`);
  if (outcome.output.trim()) console.log(outcome.output.trimEnd());
  rows.push({ name: check.name, seconds: outcome.ms / 1000, ...counted });
}

async function runStage(checks, rows) {
  const queue = [...checks];
  const lane = async () => {
    for (let check = queue.shift(); check; check = queue.shift()) await runCheck(check, checks.length > 1, rows);
  };
  await Promise.all([lane(), lane()]);
}

function printTable(rows) {
  console.log('\ncheck          passed  failed  skipped  seconds');
  for (const { name, passed, failed, skipped, seconds, note } of rows) {
    const cells = [passed, failed].map((value) => String(value).padStart(8)).join('');
    console.log(
      `${name.padEnd(13)}${cells}${String(skipped).padStart(9)}${seconds.toFixed(1).padStart(9)}${note ? `  ${note}` : ''}`,
    );
  }
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.once(signal, () => {
    for (const child of running) killGroup(child, 'SIGTERM');
    setTimeout(() => {
      for (const child of running) killGroup(child, 'SIGKILL');
      process.exit(exitCode);
    }, 3000);
  });
}

const rows = [];
const wanted = process.argv.slice(2);
const known = stages.flat().map(({ name }) => name);
const unknown = wanted.filter((name) => !known.includes(name));
try {
  if (unknown.length > 0) throw new Error(`no check is called ${unknown.join(', ')}; there are ${known.join(', ')}`);
  await ensureInstalled();
  fs.mkdirSync(results, { recursive: true });
  for (const stage of stages) {
    const chosen = stage.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
    if (chosen.length > 0) await runStage(chosen, rows);
  }
} catch (error) {
  console.error(error.message);
  rows.push({ name: 'test run', passed: 0, failed: 1, skipped: 0, tests: 0, seconds: 0, note: 'could not start' });
}

const sum = (field) => rows.reduce((total, row) => total + row[field], 0);
const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(sum);
printTable(rows);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
