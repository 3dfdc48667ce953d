/** What the product says of itself at /metrics, in the text format of Prometheus. */

/**
 * @param {string} text
 * @returns {Map<string, { labels: Record<string, string>, value: number }[]>} by name
 */
function parse(text) {
  const found = new Map();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!match) continue;
    const labels = Object.fromEntries([...(match[2] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map((m) => [m[1], m[2]]));
    found.set(match[1], [...(found.get(match[1]) ?? []), { labels, value: Number(match[3]) }]);
  }
  return found;
}

async function read(target) {
  const response = await fetch(`${target.baseUrl}/metrics`);
  if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
  return parse(await response.text());
}

/**
 * @returns {Promise<{ accepted: number, applied: number, refused: number, lagSeconds: number }>} lagSeconds: of the shard that
 *   is furthest behind
 */
export async function readProgress(target) {
  const metrics = await read(target);
  const sum = (name) => (metrics.get(name) ?? []).reduce((total, { value }) => total + value, 0);
  const lags = (metrics.get('flatline_watermark_lag_seconds') ?? []).map(({ value }) => value);
  if (lags.length === 0) throw new Error('flatline_watermark_lag_seconds is missing from /metrics');
  return {
    accepted: sum('flatline_pings_accepted_total'),
    applied: sum('flatline_pings_applied_total'),
    refused: sum('flatline_pings_refused_total'),
    lagSeconds: Math.max(...lags),
  };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Samples the watermark lag until stopped; answers all samples, in seconds. */
export function watchLag(target, everyMs = 250) {
  const lags = [];
  let isStopped = false;
  const loop = (async () => {
    while (!isStopped) {
      lags.push((await readProgress(target)).lagSeconds);
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
