'use strict';

/**
 * The arithmetic of the bench. CommonJS, so that both the bench and Jest load it as it is.
 *
 * @typedef {{ count: number, min: number, mean: number, p50: number, p90: number, p99: number, max: number }} Summary
 */

/**
 * Nearest-rank percentile: the smallest sample such that at least `percent` % of all samples are not above it. Always a
 * value that was measured, never one between two.
 * @param {ArrayLike<number>} sorted ascending
 * @param {number} percent 0 to 100
 * @returns {number} NaN when there is no sample
 */
function percentileOfSorted(sorted, percent) {
  if (sorted.length === 0) return NaN;
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1];
}

/**
 * @param {ArrayLike<number>} samples in any order; left as they are
 * @returns {Summary} all NaN but `count` when there is no sample
 */
function summarize(samples) {
  const sorted = Float64Array.from(samples).sort();
  let sum = 0;
  for (const sample of sorted) sum += sample;
  return {
    count: sorted.length,
    min: percentileOfSorted(sorted, 0),
    mean: sorted.length === 0 ? NaN : sum / sorted.length,
    p50: percentileOfSorted(sorted, 50),
    p90: percentileOfSorted(sorted, 90),
    p99: percentileOfSorted(sorted, 99),
    max: percentileOfSorted(sorted, 100),
  };
}

/**
 * The middle sample, or the mean of the middle two.
 * @param {readonly number[]} samples
 */
function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * How far repeated measurements of the same thing lie apart, as a share of their median: the noise of the machine.
 * @param {readonly number[]} samples
 */
function spread(samples) {
  return samples.length < 2 ? 0 : (Math.max(...samples) - Math.min(...samples)) / median(samples);
}

/**
 * Numbers that grow while the bench runs, e.g. latencies: a plain array of millions of numbers costs several times more.
 */
class Samples {
  #values = new Float64Array(1024);
  #length = 0;

  /** @param {number} value */
  add(value) {
    if (this.#length === this.#values.length) {
      const wider = new Float64Array(this.#length * 2);
      wider.set(this.#values);
      this.#values = wider;
    }
    this.#values[this.#length++] = value;
  }

  get length() {
    return this.#length;
  }

  /** @returns {Summary} */
  summary() {
    return summarize(this.#values.subarray(0, this.#length));
  }
}

/**
 * What came of what was acknowledged, id by id.
 * @param {Iterable<string>} acknowledged ids answered with 200
 * @param {readonly string[]} history ids as the history tells them, in any order
 * @returns {{ lost: number, doubled: number, unexplained: number }} lost: acknowledged and not there; doubled: there more
 *   than once; unexplained: there though never acknowledged (a request whose answer was lost may have been stored)
 */
function compareWithHistory(acknowledged, history) {
  const seen = new Set();
  let doubled = 0;
  for (const id of history) {
    if (seen.has(id)) doubled += 1;
    seen.add(id);
  }
  let lost = 0;
  for (const id of acknowledged) {
    if (!seen.delete(id)) lost += 1;
  }
  return { lost, doubled, unexplained: seen.size };
}

module.exports = { compareWithHistory, median, percentileOfSorted, Samples, spread, summarize };
