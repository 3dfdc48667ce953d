import type { Random } from '../random';
import type { FaultKind } from './fault';
import { type Drawn, type FaultBook, JUMPS_MS } from './fault-book';

const WEIGHTS: FaultBook['weights'] = {
  ...{ kill: 4, 'kill-all': 1, stop: 3, freeze: 5, stutter: 2, outage: 5 },
  ...{ 'abort-commits': 2, 'lost-answers': 2, cut: 3, slow: 2, clock: 4 },
};

/** Nobody behind the port knows that it is not reached, so that lasts for shorter than a client tries. */
const UNREACHED_MS = 6_000;
/** From here on an absence is a blackout. */
const LEASE_MS = 10_000;

function draw(kind: FaultKind, random: Random): Drawn {
  const lasting = (lowMs: number, highMs: number): number => Math.round(random.between(lowMs, highMs));
  const network = random.chance(0.5) ? 'way-in' : 'receiver';
  const away = random.pick(['Flatline', 'machine'] as const);
  const halted = random.pick(['Flatline', 'embedded-Postgres', 'machine'] as const);
  switch (kind) {
    case 'kill':
      return { kind, target: random.pick(['Flatline', 'embedded-Postgres']), lastsMs: 0 };
    case 'kill-all':
      return { kind, target: 'embedded-Postgres-sessions', lastsMs: 0 };
    case 'stop':
      return { kind, target: 'Flatline', lastsMs: 0 };
    case 'freeze':
      return { kind, target: halted, lastsMs: lasting(1_000, 40_000) };
    case 'stutter':
      return { kind, target: halted, lastsMs: lasting(3_000, 12_000) };
    case 'outage':
      return { kind, target: away, lastsMs: random.chance(0.5) ? lasting(0, LEASE_MS) : lasting(LEASE_MS, 60_000) };
    case 'abort-commits':
      return { kind, target: 'embedded-Postgres', lastsMs: lasting(2_000, 8_000) };
    case 'lost-answers':
      return { kind, target: network, lastsMs: lasting(300, 5_000) };
    case 'cut':
      return { kind, target: network, lastsMs: lasting(1_000, network === 'way-in' ? UNREACHED_MS : 30_000) };
    case 'slow':
      return { kind, target: network, lastsMs: lasting(4_000, 15_000), amountMs: lasting(20, 300) };
    case 'clock': {
      const amountMs = random.pick(JUMPS_MS) * (random.chance(0.5) ? 1 : -1);
      return { kind, target: 'Flatline', lastsMs: lasting(2_000, 15_000), amountMs };
    }
    case 'freeze-all':
    case 'flush':
    case 'part':
      throw new RangeError(`${kind} makes no sense where there is one process`);
  }
}

/** Faults to the one process, the Postgres it brings along, the port that jobs know, and a receiver. */
export const EMBEDDED_FAULTS: FaultBook = { weights: WEIGHTS, draw };
