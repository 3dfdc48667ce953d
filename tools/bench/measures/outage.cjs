'use strict';

/** What a kill did to those who ping, from what was seen around it. CommonJS, as statistics.cjs is. */

/** Length of a moment of a timeline, ms. */
const MOMENT_MS = 100;

/**
 * @param {{ acknowledged: number, failed: number }[]} timeline answers by when they came, a moment each
 * @param {number} killedAfterMs from the start of the timeline
 * @returns {{ pauseMs: number, failed: number, lastFailureMs: number }} pauseMs: the longest time after the kill in which
 *   nothing was acknowledged, to a moment; lastFailureMs: from the kill to the end of the last moment with a failure, 0
 *   without any
 */
function outageOf(timeline, killedAfterMs) {
  const first = Math.floor(killedAfterMs / MOMENT_MS);
  const after = timeline.slice(first);
  let silent = 0;
  let longest = 0;
  let failed = 0;
  let lastFailure = 0;
  after.forEach((moment, index) => {
    silent = moment.acknowledged === 0 ? silent + 1 : 0;
    longest = Math.max(longest, silent);
    failed += moment.failed;
    if (moment.failed > 0) lastFailure = (first + index + 1) * MOMENT_MS - killedAfterMs;
  });
  return { pauseMs: longest * MOMENT_MS, failed, lastFailureMs: lastFailure };
}

/**
 * When everything was well for good.
 * @param {{ at: number, isWell: boolean }[]} samples in their order
 * @param {number} killedAt on the clock of the samples
 * @returns {number | null} from the kill to the first good sample after the last bad one; 0 when all were good; null when
 *   the last one was not
 */
function wellAgainAfter(samples, killedAt) {
  const later = samples.filter(({ at }) => at >= killedAt);
  const lastBad = later.findLastIndex(({ isWell }) => !isWell);
  if (lastBad < 0) return 0;
  return lastBad + 1 < later.length ? later[lastBad + 1].at - killedAt : null;
}

module.exports = { MOMENT_MS, outageOf, wellAgainAfter };
