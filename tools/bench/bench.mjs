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
import { measureArmed } from './measures/armed.mjs';
import { measureFlushall } from './measures/flushall.mjs';
import { measureLatency } from './measures/latency.mjs';
import { measureRecovery } from './measures/recovery.mjs';
import { measureSaturation } from './measures/saturation.mjs';
import { measureScale } from './measures/scale.mjs';
import { measureIdleMemory, startOutcome } from './measures/start.mjs';
import { measureSustained } from './measures/sustained.mjs';
import { parseOptions, USAGE } from './options.mjs';
import { commit, machine, table } from './report.mjs';
import { Api } from './target/api.mjs';
import { startCluster } from './target/cluster.mjs';
import { Database } from './target/database.mjs';
import { startBareServer } from './target/helper-process.mjs';
import { profiled } from './target/inspector.mjs';
import { metricsText } from './target/metrics.mjs';
import { stopProducts } from './target/product-process.mjs';
import { startStandalone } from './target/standalone.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

const measures = {
  memory: measureIdleMemory,
  latency: measureLatency,
  alerts: measureAlerts,
  sustained: measureSustained,
  saturation: measureSaturation,
  recovery: measureRecovery,
  armed: measureArmed,
  flushall: measureFlushall,
  scale: measureScale,
};
/** Start clusters of their own, after the one that the others share has ended. */
const ALONE = ['scale'];

const say = (line) => console.log(line);

let runFailed = false;
let wasTold = false;

/** What must end when the bench does, last one first. */
const cleanups = [];

/** @param {number} downTo how many of the first ones are still needed */
async function cleanUp(downTo = 0) {
  while (cleanups.length > downTo) {
    try {
      await cleanups.pop()();
    } catch (error) {
      console.error(error);
    }
  }
}

/** What the product counted in the end: histograms say more than the table. */
async function keepMetrics(target, file) {
  fs.writeFileSync(file, await metricsText(target));
}

/** Starts with an empty directory, then again with what is there; the last one stays up. */
async function startProduct(options, startOptions) {
  const start = () =>
    options.isCluster
      ? startCluster({ ...startOptions, processesPerService: options.processes })
      : startStandalone(startOptions);
  let target = await start();
  const firstMs = target.readyMs;
  const againMs = [];
  cleanups.push(() => target.stop());
  const restarts = options.only.includes('start') ? (options.isQuick ? 1 : 3) : 0;
  for (let restart = 0; restart < restarts; restart += 1) {
    await target.stop();
    target = await start();
    againMs.push(target.readyMs);
  }
  return { target, outcome: restarts > 0 ? startOutcome(target.name, { firstMs, againMs }) : null };
}

/** What all measures need that do not start a product of their own. */
async function sharedContext(common) {
  const { options, workDir, logFile } = common;
  const profileDir = options.cpuProfile && path.resolve(options.cpuProfile);
  const nodeArgs = profileDir && !options.isCluster ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : [];
  const dataDir = path.join(workDir, 'data');
  const { target, outcome } = await startProduct(options, { dataDir, logFile, nodeArgs, env: options.env });
  const api = new Api(target);
  cleanups.push(() => api.close());
  if (options.keep) cleanups.push(() => keepMetrics(target, path.join(workDir, 'metrics.txt')));
  const shared = { ...common, target, api, profiled: (name, work) => work(), outcome };
  if (!options.isCluster) return shared;
  const database = new Database(target);
  cleanups.push(() => database.close());
  const profile = { dir: profileDir, parts: options.profile, logFile };
  return {
    ...shared,
    database,
    profiled: (name, work) => (profileDir ? profiled(target, { ...profile, name }, work) : work()),
  };
}

async function run(options) {
  const workDir = fs.mkdtempSync(path.join(os.tmpdir(), 'flatline-bench-'));
  fs.chmodSync(workDir, 0o755); // run by root, Postgres becomes another user who must get in
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
  const outcomes = {};
  const runAll = async (names, context) => {
    const bare = { host: '127.0.0.1', ...(await startBareServer()) };
    cleanups.push(bare.stop);
    cleanups.push(
      () => runFailed && say(`The last the product said:\n${fs.readFileSync(logFile, 'utf8').slice(-3_000)}`),
    );
    for (const name of names) outcomes[name] = await measures[name]({ ...context, bare });
    await cleanUp(1);
  };
  const common = { tool, options, workDir, logFile, say };
  const shared = options.only.filter((name) => !ALONE.includes(name));
  if (shared.length > 0) {
    const context = await sharedContext(common);
    if (context.outcome) outcomes.start = context.outcome;
    await runAll(
      shared.filter((name) => name !== 'start'),
      context,
    );
  }
  const alone = options.only.filter((name) => ALONE.includes(name));
  if (alone.length > 0) await runAll(alone, common);
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
  process.once(signal, () => {
    wasTold = true;
    say(`${signal}: what was started is stopped`);
    void stopProducts()
      .catch((error) => console.error(error))
      .then(() => cleanUp())
      .finally(() => process.exit(code));
  });
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
  // What was being measured failed because it was stopped; whoever got the signal cleans up and ends.
  if (!wasTold) {
    runFailed = true;
    console.error(error);
    process.exitCode = 1;
    await cleanUp();
  }
}
