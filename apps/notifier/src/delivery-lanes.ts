/** A notification in memory: enough to decide whose turn it is. */
export interface QueuedDelivery {
  readonly id: string;
  readonly channelId: string;
  readonly channelKind: string;
}

/** Where a delivery queues: alone with those of its channel, or with all that share what serves them. */
export interface LaneSpec {
  readonly name: string;
  /** Deliveries under way at once. */
  readonly limit: number;
}

export interface LaneLimits {
  /** Deliveries under way at once, over all lanes. */
  readonly total: number;
  /** Deliveries under way at once in a lane of which nobody knows yet whether it works. */
  readonly untried: number;
  /** Deliveries under way at once in a lane whose last attempt failed. */
  readonly failing: number;
  /** Deliveries under way at once in all failing lanes together; the rest of `total` is for those that work. */
  readonly allFailing: number;
  /** Deliveries that wait in memory in one lane; more are refused, they stay in the database. */
  readonly waiting: number;
}

interface Lane {
  readonly spec: LaneSpec;
  /** By id, in the order of the offers. */
  readonly waiting: Map<string, QueuedDelivery>;
  underWay: number;
  state: 'untried' | 'works' | 'failing';
}

/**
 * Whose turn is it? Lanes are served in turn, each with a limit of its own, so that a channel that hangs or has
 * thousands to deliver takes little from the others. Many that hang take little, too: a lane gets its full limit when an
 * attempt has shown that it works, and those that failed last share what they may take.
 *
 * Holds ids alone; what is true stands in the database. Losing it all (a crash) costs one sweep.
 */
export class DeliveryLanes {
  private readonly lanes = new Map<string, Lane>();
  private readonly underWay = new Map<string, { lane: Lane; offeredAgain: boolean }>();
  /** Names of lanes that are failing, also while they have nothing to do: retries must not begin untried again. */
  private readonly failing = new Set<string>();
  private refused = false;

  constructor(
    private readonly limits: LaneLimits,
    private readonly laneOf: (delivery: QueuedDelivery) => LaneSpec,
  ) {}

  /** Queues what is not queued yet. What is under way is looked at once more afterwards: it may have become due. */
  offer(delivery: QueuedDelivery): void {
    const { id } = delivery;
    const active = this.underWay.get(id);
    if (active) {
      active.offeredAgain = true;
      return;
    }
    const lane = this.open(this.laneOf(delivery));
    if (lane.waiting.size >= this.limits.waiting && !lane.waiting.has(id)) this.refused = true;
    else lane.waiting.set(id, delivery);
  }

  /** The next delivery that may start now, or null. Whoever takes it must release it. */
  take(): QueuedDelivery | null {
    if (this.underWay.size >= this.limits.total) return null;
    const failingMayGo = this.failingUnderWay() < this.limits.allFailing;
    for (const lane of this.lanes.values()) {
      const [delivery] = lane.waiting.values();
      if (!delivery || lane.underWay >= this.limitOf(lane)) continue;
      if (lane.state === 'failing' && !failingMayGo) continue;
      lane.waiting.delete(delivery.id);
      lane.underWay += 1;
      this.underWay.set(delivery.id, { lane, offeredAgain: false });
      this.moveToEnd(lane);
      return delivery;
    }
    return null;
  }

  /** @param lineWorks whether the attempt reached the other side, or null when that was not seen */
  release(delivery: QueuedDelivery, lineWorks: boolean | null): void {
    const active = this.underWay.get(delivery.id);
    if (!active) return;
    this.underWay.delete(delivery.id);
    active.lane.underWay -= 1;
    if (lineWorks !== null) this.note(active.lane, lineWorks);
    if (active.offeredAgain) this.offer(delivery);
    else if (isIdle(active.lane)) this.lanes.delete(active.lane.spec.name);
  }

  private note(lane: Lane, works: boolean): void {
    lane.state = works ? 'works' : 'failing';
    if (works) this.failing.delete(lane.spec.name);
    else this.failing.add(lane.spec.name);
  }

  private limitOf({ state, spec }: Lane): number {
    return state === 'works' ? spec.limit : Math.min(spec.limit, this.limits[state]);
  }

  private failingUnderWay(): number {
    let count = 0;
    for (const { lane } of this.underWay.values()) if (lane.state === 'failing') count += 1;
    return count;
  }

  get underWayCount(): number {
    return this.underWay.size;
  }

  get waitingCount(): number {
    let count = 0;
    for (const lane of this.lanes.values()) count += lane.waiting.size;
    return count;
  }

  /** True once after a lane was full and all have run dry: there is more in the database. */
  hasRoomAgain(): boolean {
    if (!this.refused || this.waitingCount > 0) return false;
    this.refused = false;
    return true;
  }

  private open(spec: LaneSpec): Lane {
    const known = this.lanes.get(spec.name);
    if (known) return known;
    const state = this.failing.has(spec.name) ? 'failing' : 'untried';
    const lane: Lane = { spec, waiting: new Map(), underWay: 0, state };
    this.lanes.set(spec.name, lane);
    return lane;
  }

  /** A map keeps the order of insertion: the lane that was served last is asked last. */
  private moveToEnd(lane: Lane): void {
    this.lanes.delete(lane.spec.name);
    this.lanes.set(lane.spec.name, lane);
  }
}

function isIdle({ waiting, underWay }: Lane): boolean {
  return waiting.size === 0 && underWay === 0;
}
