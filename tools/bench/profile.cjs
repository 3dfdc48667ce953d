'use strict';

/** The arithmetic of CPU profiles (https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile). */

const IDLE = '(idle)';
const PACKAGE = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//;
const OURS = /\/dist\/((?:apps|libs)\/.*)$/;

/**
 * @param {{ nodes: { id: number, callFrame: { functionName: string, url: string, lineNumber: number } }[],
 *   samples: number[], timeDeltas: number[] }} profile
 * @returns {{ busyMs: number, wholeMs: number, byPlace: [string, number][], byFunction: [string, number][] }} ms of self
 *   time, the most first, without idle time
 */
function selfTimes({ nodes, samples, timeDeltas }) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byPlace = new Map();
  const byFunction = new Map();
  let busy = 0;
  let whole = 0;
  samples.forEach((id, index) => {
    const ms = (timeDeltas[index] ?? 0) / 1000;
    const frame = frames.get(id);
    whole += ms;
    if (frame.functionName === IDLE) return;
    busy += ms;
    const place = placeOf(frame);
    const name = frame.functionName || '(anonymous)';
    add(byPlace, place, ms);
    add(byFunction, frame.url ? `${name}  ${fileOf(frame)}:${frame.lineNumber + 1}` : name, ms);
  });
  return { busyMs: busy, wholeMs: whole, byPlace: most(byPlace), byFunction: most(byFunction) };
}

/** The package it comes from, our own file, or what Node calls it. */
function placeOf({ url, functionName }) {
  return PACKAGE.exec(url)?.[1] ?? OURS.exec(url)?.[1] ?? (url || functionName || '(anonymous)');
}

/** As short as it is without doubt: from the name of the package, or from `apps` or `libs`. */
const fileOf = ({ url }) => OURS.exec(url)?.[1] ?? url.split('/node_modules/').at(-1);

const add = (times, name, ms) => times.set(name, (times.get(name) ?? 0) + ms);
const most = (times) => [...times].sort(([, a], [, b]) => b - a);

module.exports = { selfTimes };
