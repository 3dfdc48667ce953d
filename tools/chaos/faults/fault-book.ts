import type { Random } from '../random';
import type { FaultKind, FaultPlan } from './fault';

/** A fault that has no instant yet. */
export type Drawn = Omit<FaultPlan, 'atMs'>;

/** The faults that make sense in a world. */
export interface FaultBook {
  /** How often each kind is drawn, beside the others. */
  readonly weights: Readonly<Partial<Record<FaultKind, number>>>;
  /** One of a kind that has a weight. */
  draw(kind: FaultKind, random: Random): Drawn;
}

/** Of a clock: within what is allowed between machines, just outside, minutes, a day. */
export const JUMPS_MS = [400, 900, 3_000, 90_000, 86_400_000];
