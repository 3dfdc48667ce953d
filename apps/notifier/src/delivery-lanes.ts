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
  /** Deliveries under way at once in a lane whose last attempt failed. */
  readonly failing: number;
  /** Deliveries that wait in memory in one lane; more are refused, they stay in the database. */
  readonly waiting: number;
}

interface Lane {
  readonly spec: LaneSpec;
  /** By id, in the order of the offers. */
  readonly waiting: Map<string, QueuedDelivery>;
  underWay: number;
  isFailing: boolean;
}

/**
 * Whose turn is it? Lanes are served in turn, each with a limit of its own, so that a channel that hangs or has
 * thousands to deliver takes little from the others.
 *
 * Holds ids alone; what is true stands in the database. Losing it all (a crash) costs one sweep.
 */
export class DeliveryLanes {
  private readonly lanes = new Map<string, Lane>();
  private readonly underWay = new Map<string, { lane: Lane; offeredAgain: boolean }>();
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
    for (const lane of this.lanes.values()) {
      const [delivery] = lane.waiting.values();
      if (!delivery || lane.underWay >= (lane.isFailing ? this.limits.failing : lane.spec.limit)) continue;
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
    if (lineWorks !== null) active.lane.isFailing = !lineWorks;
    if (active.offeredAgain) this.offer(delivery);
    else if (isIdle(active.lane)) this.lanes.delete(active.lane.spec.name);
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
    const lane: Lane = { spec, waiting: new Map(), underWay: 0, isFailing: false };
    this.lanes.set(spec.name, lane);
    return lane;
  }

  /** A map keeps the order of insertion: the lane that was served last is asked last. */
  private moveToEnd(lane: Lane): void {
    this.lanes.delete(lane.spec.name);
    this.lanes.set(lane.spec.name, lane);
  }
}

/** A failing lane is remembered while it has nothing to do: its retries must not begin with a full lane again. */
function isIdle({ waiting, underWay, isFailing }: Lane): boolean {
  return waiting.size === 0 && underWay === 0 && !isFailing;
}
