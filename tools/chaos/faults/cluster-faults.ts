import type { Random } from '../random';
import { CLUSTER_PROCESSES, CLUSTER_SERVERS, type FaultKind, SERVICES_WITH_TWO } from './fault';
import { type Drawn, type FaultBook, JUMPS_MS } from './fault-book';

/** How often each kind is drawn, beside the others. */
const WEIGHTS: FaultBook['weights'] = {
  ...{ kill: 4, 'kill-all': 2, stop: 2, freeze: 4, 'freeze-all': 2, stutter: 2, outage: 3 },
  ...{ flush: 1, 'abort-commits': 2, 'lost-answers': 2, cut: 2, part: 4, slow: 2, clock: 4 },
};

function draw(kind: FaultKind, random: Random): Drawn {
  const lasting = (lowMs: number, highMs: number): number => Math.round(random.between(lowMs, highMs));
  const server = random.pick(CLUSTER_SERVERS);
  const processName = random.pick(CLUSTER_PROCESSES);
  switch (kind) {
    case 'kill':
      return { kind, target: processName, lastsMs: 0 };
    case 'stop':
      return { kind, target: processName, lastsMs: 0 };
    case 'kill-all':
      return { kind, target: random.pick(SERVICES_WITH_TWO), lastsMs: 0 };
    case 'freeze':
      return { kind, target: random.chance(0.4) ? server : processName, lastsMs: lasting(500, 18_000) };
    case 'freeze-all':
      return { kind, target: random.pick(SERVICES_WITH_TWO), lastsMs: lasting(1_000, 25_000) };
    case 'stutter':
      return { kind, target: random.chance(0.5) ? server : processName, lastsMs: lasting(3_000, 12_000) };
    case 'outage':
      return { kind, target: server, lastsMs: lasting(0, 15_000) };
    case 'flush':
      return { kind, target: 'Redis', lastsMs: 0 };
    case 'abort-commits':
      return { kind, target: 'Postgres', lastsMs: lasting(2_000, 8_000) };
    case 'lost-answers':
      return { kind, target: server, lastsMs: lasting(300, 5_000) };
    case 'cut':
      return { kind, target: server, lastsMs: lasting(1_000, 14_000) };
    case 'part': {
      const target = random.pick(CLUSTER_PROCESSES.filter((name) => name !== 'gateway')); // that one knows no server
      const usesTimers = /^(deadline-scheduler|notifier)/.test(target);
      const from = random.pick(CLUSTER_SERVERS.filter((name) => name !== 'Redis' || usesTimers));
      return { kind, target, from, lastsMs: lasting(1_000, 20_000) };
    }
    case 'slow':
      return { kind, target: server, lastsMs: lasting(4_000, 15_000), amountMs: lasting(20, 300) };
    case 'clock': {
      const amountMs = random.pick(JUMPS_MS) * (random.chance(0.5) ? 1 : -1);
      return { kind, target: processName, lastsMs: lasting(2_000, 15_000), amountMs };
    }
  }
}

/** Faults to one process of many, or to a server that many stand on. */
export const CLUSTER_FAULTS: FaultBook = { weights: WEIGHTS, draw };
