/** What the product says of itself at /metrics, in the text format of Prometheus: all its processes together. */

const ANSWER_WITHIN_MS = 10_000;
const LAG = 'flatline_watermark_lag_seconds';

/**
 * @param {string} text
 * @param {string} only names that begin with this
 * @returns {Map<string, { labels: Record<string, string>, value: number }[]>} by name
 */
function parse(text, only = '') {
  const found = new Map();
  for (const line of text.split('\n')) {
    if (!line.startsWith(only)) continue;
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!match) continue;
    const labels = Object.fromEntries([...(match[2] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map((m) => [m[1], m[2]]));
    found.set(match[1], [...(found.get(match[1]) ?? []), { labels, value: Number(match[3]) }]);
  }
  return found;
}

/** @returns {Promise<Map<string, { labels: Record<string, string>, value: number }[]>>} of all processes together */
async function read(target) {
  const found = new Map();
  const texts = await Promise.all(target.metricsUrls().map(textOf));
  for (const text of texts) {
    for (const [name, samples] of parse(text)) found.set(name, [...(found.get(name) ?? []), ...samples]);
  }
  return found;
}

async function textOf(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
  return response.text();
}

/** Everything the product's processes say, for keeping. */
export async function metricsText(target) {
  const texts = await Promise.all(target.metricsUrls().map(async (url) => `# ${url}\n${await textOf(url)}`));
  return texts.join('\n');
}

/**
 * @returns {Promise<{ accepted: number, applied: number, refused: number, lagSeconds: number }>}
 *   the counts begin anew with a process; lagSeconds: of the shard that is furthest behind, Infinity while there is one
 *   that nobody reads
 */
export async function readProgress(target) {
  const metrics = await read(target);
  const sum = (name) => (metrics.get(name) ?? []).reduce((total, { value }) => total + value, 0);
  return {
    accepted: sum('flatline_pings_accepted_total'),
    applied: sum('flatline_pings_applied_total'),
    refused: sum('flatline_pings_refused_total'),
    lagSeconds: lagOf(target, metrics.get(LAG) ?? []),
  };
}

/**
 * As readProgress tells it, asking nobody but those who judge; one that does not answer reads nothing.
 * @returns {Promise<number>} seconds
 */
export async function readLag(target) {
  const answers = await Promise.allSettled(target.metricsUrls('deadline-scheduler').map(textOf));
  return lagOf(
    target,
    answers.flatMap(({ value }) => parse(value ?? '', LAG).get(LAG) ?? []),
  );
}

function lagOf({ partitions }, samples) {
  const shards = new Set(samples.map(({ labels }) => labels.shard)).size;
  return shards < partitions ? Infinity : Math.max(...samples.map(({ value }) => value));
}

/** @returns {Promise<number>} wake-ups that lie ahead, of all shards */
export async function readArmed(target) {
  const metrics = await read(target);
  return (metrics.get('flatline_timers_armed') ?? []).reduce((total, { value }) => total + value, 0);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Samples the watermark lag until stopped; answers all samples, in seconds. A sample takes some 15 ms of processor time
 * of the two cores that are being measured; lag grows by no more than half a second between two.
 */
export function watchLag(target, everyMs = 500) {
  const lags = [];
  let isStopped = false;
  const loop = (async () => {
    while (!isStopped) {
      lags.push(await readLag(target));
      await sleep(everyMs);
    }
  })();
  loop.catch(() => {}); // told when stopped
  return async () => {
    isStopped = true;
    await loop;
    return lags;
  };
}

/**
 * Waits until all that was accepted is applied.
 * @returns {Promise<{ caughtUp: boolean, seconds: number, accepted: number, applied: number }>}
 */
export async function untilApplied(target, withinMs = 120_000) {
  const startedAt = performance.now();
  for (;;) {
    const { accepted, applied } = await readProgress(target);
    const elapsedMs = performance.now() - startedAt;
    if (applied >= accepted) return { caughtUp: true, seconds: elapsedMs / 1000, accepted, applied };
    if (elapsedMs > withinMs) return { caughtUp: false, seconds: elapsedMs / 1000, accepted, applied };
    await sleep(100);
  }
}
