import { Problem } from '../http/problem';
import type { Missing } from './health-registry';

/** What `/readyz` answers while something is missing: 503, with a sentence for people and a list for machines. */
export function notReady(missing: readonly Missing[]): Problem {
  const sentence = missing.map((each) => `${each.component}: ${each.missing}`).join('; ');
  return new Problem(503, `not ready: ${sentence}`, { extra: { missing }, expected: true });
}
