/**
 * `npm run bench`: starts the product as users do and measures what was promised of it, beside a bare node:http server
 * under the same load in the same run. Absolute figures depend on the machine and on what else it does; the ratios and
 * the line of what others used say how far they can be trusted.
 *
 * Usage: see options.mjs, or --help
 * Out:   progress, a table with the goals, and with --json a file with everything measured
 * Exit code: 0 whatever the times were; 1 when a promise broke (an acknowledged ping lost or doubled, an alert missing,
 *   doubled or uncalled for) or the product did not run; 2 for a wrong option
 */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from '../build.mjs';
import { loadTool } from './load/saturate.mjs';
import { measureAlerts } from './measures/alerts.mjs';
import { measureLatency } from './measures/latency.mjs';
import { measureSaturation } from './measures/saturation.mjs';
import { measureIdleMemory, startOutcome } from './measures/start.mjs';
import { measureSustained } from './measures/sustained.mjs';
import { parseOptions, USAGE } from './options.mjs';
import { commit, machine, table } from './report.mjs';
import { Api } from './target/api.mjs';
import { startBareServer } from './target/helper-process.mjs';
import { startStandalone } from './target/standalone.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

const measures = {
  memory: measureIdleMemory,
  latency: measureLatency,
  alerts: measureAlerts,
  sustained: measureSustained,
  saturation: measureSaturation,
};

const say = (line) => console.log(line);

let runFailed = false;

/** What must end when the bench does, last one first. */
const cleanups = [];

async function cleanUp() {
  for (let step = cleanups.pop(); step; step = cleanups.pop()) {
    try {
      await step();
    } catch (error) {
      console.error(error);
    }
  }
}

/** What the product counted in the end: histograms say more than the table. */
async function keepMetrics({ baseUrl }, file) {
  fs.writeFileSync(file, await (await fetch(`${baseUrl}/metrics`)).text());
}

/** Starts with an empty directory, then again with what is there; the last one stays up. */
async function startProduct(options, startOptions) {
  let target = await startStandalone(startOptions);
  const firstMs = target.readyMs;
  const againMs = [];
  const stopCurrent = () => target.stop();
  cleanups.push(() => stopCurrent());
  const restarts = options.only.includes('start') ? (options.isQuick ? 1 : 3) : 0;
  for (let restart = 0; restart < restarts; restart += 1) {
    await target.stop();
    target = await startStandalone(startOptions);
    againMs.push(target.readyMs);
  }
  return { target, outcome: restarts > 0 ? startOutcome({ firstMs, againMs }) : null };
}

async function run(options) {
  const workDir = fs.mkdtempSync(path.join(os.tmpdir(), 'flatline-bench-'));
  fs.chmodSync(workDir, 0o755); // run by root, Postgres becomes another user who must get in
  const dataDir = path.join(workDir, 'data');
  const logFile = path.join(workDir, 'product.log');
  cleanups.push(() => {
    if (options.keep) say(`kept: ${workDir}`);
    else fs.rmSync(workDir, { recursive: true, force: true });
  });

  const about = { startedAt: new Date().toISOString(), commit: commit(root), machine: machine(), options };
  const { cores, cpu, node, loadAverage } = about.machine;
  say(
    `commit ${about.commit ?? 'unknown'}, Node ${node}, ${cores} cores (${cpu}), load average ${loadAverage.toFixed(2)}`,
  );
  const tool = loadTool();
  say(
    `load from ${tool === 'wrk' ? 'wrk' : 'autocannon (wrk is not on the PATH)'} at saturation, from an own open-loop generator at fixed rates`,
  );

  await build({ quiet: true });
  const nodeArgs = options.cpuProfile ? ['--cpu-prof', `--cpu-prof-dir=${path.resolve(options.cpuProfile)}`] : [];
  const { target, outcome: start } = await startProduct(options, { dataDir, logFile, nodeArgs });
  const outcomes = start ? { start } : {};
  const bare = { host: '127.0.0.1', ...(await startBareServer()) };
  cleanups.push(bare.stop);
  const api = new Api(target);
  cleanups.push(() => api.close());
  if (options.keep) cleanups.push(() => keepMetrics(target, path.join(workDir, 'metrics.txt')));

  cleanups.push(
    () => runFailed && say(`The last the product said:\n${fs.readFileSync(logFile, 'utf8').slice(-3_000)}`),
  );

  const context = { target, bare, api, tool, options, workDir, say };
  for (const name of options.only.filter((each) => each !== 'start')) outcomes[name] = await measures[name](context);
  await cleanUp();
  return { about: { ...about, tool, loadAverageAtEnd: machine().loadAverage }, outcomes };
}

function report({ about, outcomes }, json) {
  const results = Object.values(outcomes);
  say(`\n${table(results.flatMap(({ rows }) => rows))}\n`);
  const failures = results.flatMap((outcome) => outcome.failures);
  for (const failure of failures) say(`BROKEN: ${failure}`);
  if (json) fs.writeFileSync(json, `${JSON.stringify({ ...about, outcomes }, null, 2)}\n`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(code)));
}

let options;
if (process.argv.includes('--help')) {
  say(USAGE);
  process.exit(0);
}
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exit(2);
}
try {
  report(await run(options), options.json);
} catch (error) {
  runFailed = true;
  console.error(error);
  process.exitCode = 1;
  await cleanUp();
}
