/**
 * As many pings as a server answers: a closed loop over many connections, by wrk where it is installed, else autocannon.
 *
 * @typedef {{ acknowledged: number, perSecond: number, seconds: number, other: number,
 *   latencyMs: { p50: number, p90: number, p99: number, max: number } }} Saturated other: answers but 200, and no answer
 */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inChild } from './in-child.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

/** @returns {'wrk' | 'autocannon'} what this machine has */
export function loadTool() {
  return spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error ? 'autocannon' : 'wrk';
}

/**
 * @param {{ tool: 'wrk' | 'autocannon', servers: { host: string, port: number, baseUrl: string }[], paths: string[],
 *   connections: number, seconds: number, workDir: string }} options
 *   servers: share the connections; workDir: for the list of paths wrk reads
 * @returns {Promise<Saturated>}
 */
export function saturate(options) {
  if (options.tool === 'wrk') return withWrk(options);
  const { servers, paths, connections, seconds } = options;
  const baseUrls = servers.map(({ baseUrl }) => baseUrl);
  return inChild(path.join(here, 'autocannon-child.mjs'), { baseUrls, paths, connections, seconds });
}

/** A thread for each server, because wrk gives each thread one address. */
async function withWrk({ servers, paths, connections, seconds, workDir }) {
  const pathsFile = path.join(workDir, 'paths.txt');
  writeFileSync(pathsFile, `${paths.join('\n')}\n`);
  const output = await outputOf(
    'wrk',
    [
      ...['-t', servers.length, '-c', connections, '-d', `${seconds}s`, '--timeout', '15s'],
      ...['-s', path.join(here, 'wrk.lua'), servers[0].baseUrl, '--', pathsFile, servers.length],
    ],
    { BENCH_SERVERS: servers.map(({ host, port }) => `${host}:${port}`).join() },
  );
  const figures = JSON.parse(output.trim().split('\n').at(-1));
  const acknowledged = figures.requests - figures.notOk;
  const measuredSeconds = figures.durationUs / 1e6;
  return {
    acknowledged,
    perSecond: acknowledged / measuredSeconds,
    seconds: measuredSeconds,
    other: figures.notOk + figures.connectErrors + figures.readErrors + figures.writeErrors + figures.timeouts,
    latencyMs: {
      p50: figures.p50Us / 1000,
      p90: figures.p90Us / 1000,
      p99: figures.p99Us / 1000,
      max: figures.maxUs / 1000,
    },
  };
}

function outputOf(program, args, env) {
  const child = spawn(program, args.map(String), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${code}: ${errors || output}`));
    });
  });
}
