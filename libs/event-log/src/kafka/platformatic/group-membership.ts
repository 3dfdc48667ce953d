import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker, joinGroupV7, syncGroupV5 } from '@platformatic/kafka';
import { BrokerRefusal, GROUP_TIMES, LoginRefused } from '../kafka-client';
import type { KafkaReaderOptions } from '../kafka-client';
import type { BrokerConnection } from './broker-connection';
import type { Brokers } from './brokers';
import {
  dealPartitions,
  decodeAssignment,
  encodeAssignment,
  encodeSubscription,
  GROUP_PROTOCOL,
} from './group-protocol';
import { answerDespite } from './platformatic-errors';

const GROUP_KEY = 0;
/** A heartbeat, a commit or a search that takes longer is tried on a new connection. */
const ANSWER_LIMIT_MS = 2_000;
/** A join and the hand-out after it wait for the other members. */
const JOIN_LIMIT_MS = GROUP_TIMES.rebalanceTimeoutMs + ANSWER_LIMIT_MS;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1_000;
/** Without any word from the group for so long, the member gives up. Outlasts a broker that is started anew. */
const GIVE_UP_AFTER_MS = 15_000;

/** Error codes of the protocol that the group answers with. */
const ILLEGAL_GENERATION = 22;
const UNKNOWN_MEMBER_ID = 25;
const REBALANCE_IN_PROGRESS = 27;
const MEMBER_ID_REQUIRED = 79;

export interface MembershipListener {
  /** The group was (re)balanced; ascending. */
  assigned(partitions: readonly number[]): void;
  /** Out of the group for good. Not called after `leave`. */
  ended(error: unknown): void;
}

/**
 * One member of a consumer group: finds the coordinator, joins, sends heartbeats, and joins again when the group is
 * balanced anew. It keeps its member id over lost connections and restarts of brokers, so that the others do not have to
 * wait until a former self has timed out.
 */
export class GroupMembership {
  private readonly topic: string;
  private readonly groupId: string;
  private memberId = '';
  /** Of the group's balance this member is part of; null while it is not. */
  private generation: number | null = null;
  private coordinator: BrokerConnection | null = null;
  private heardAt = performance.now();
  private leaving = false;
  private readonly stopped = new AbortController();
  private readonly running: Promise<void>;

  constructor(
    private readonly brokers: Brokers,
    options: KafkaReaderOptions,
    private readonly listener: MembershipListener,
    private readonly trouble: (error: unknown) => void,
  ) {
    this.topic = options.topic;
    this.groupId = options.groupId;
    this.running = this.run();
  }

  /** @throws when this is not a member at the moment, or the broker refuses or does not answer */
  async commit(positions: ReadonlyMap<number, number>): Promise<void> {
    const { coordinator, generation, memberId, topic } = this;
    if (!coordinator || generation === null) throw new Error('not a member of the group at the moment');
    const partitions = [...positions].map(([partitionIndex, offset]) => ({
      partitionIndex,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: null,
    }));
    const { api } = this.brokers.kafka.offsetCommitV8;
    const request = [{ name: topic, partitions }];
    await coordinator.ask(api, ANSWER_LIMIT_MS, this.groupId, generation, memberId, null, request);
  }

  /** Out of the group, so that the others get the partitions at once. Says nothing any more. */
  async leave(): Promise<void> {
    this.leaving = true;
    this.stopped.abort();
    this.coordinator?.destroy(); // a join may wait there for a long time
    await this.running;
    if (this.memberId === '') return;
    try {
      const connection = await this.brokers.separateConnection(await this.findCoordinator());
      const { api } = this.brokers.kafka.leaveGroupV4;
      await connection.ask(api, ANSWER_LIMIT_MS, this.groupId, [{ memberId: this.memberId }]);
    } catch (error) {
      this.trouble(error); // the group notices when the session times out
    }
  }

  private async run(): Promise<void> {
    let retryMs = RETRY_MIN_MS;
    while (!this.leaving) {
      try {
        const coordinator = await this.connect();
        if (this.generation === null) await this.join(coordinator);
        retryMs = RETRY_MIN_MS;
        await this.stay(coordinator, this.generation as number);
      } catch (error) {
        if (this.leaving) return;
        if (this.mustJoinAnew(error)) continue;
        this.dropCoordinator();
        this.trouble(error);
        const silentMs = performance.now() - this.heardAt;
        if (error instanceof LoginRefused || silentMs > GIVE_UP_AFTER_MS) return this.listener.ended(error);
        await this.pause(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
  }

  private async connect(): Promise<BrokerConnection> {
    if (!this.coordinator?.usable) {
      this.coordinator = await this.brokers.separateConnection(await this.findCoordinator());
    }
    return this.coordinator;
  }

  private async findCoordinator(): Promise<Broker> {
    const connection = await this.brokers.any();
    const { api } = this.brokers.kafka.findCoordinatorV4;
    const { coordinators } = await connection.ask(api, ANSWER_LIMIT_MS, GROUP_KEY, [this.groupId]);
    const [coordinator] = coordinators;
    if (!coordinator) throw new Error('nobody coordinates the group');
    return { host: coordinator.host, port: coordinator.port };
  }

  /** 1. joins, which waits for the other members, 2. as their leader deals the partitions, 3. is handed its own. */
  private async join(coordinator: BrokerConnection): Promise<void> {
    const { groupId, topic } = this;
    const { kafka } = this.brokers;
    const { type, name } = GROUP_PROTOCOL;
    const joined = await coordinator.ask(
      kafka.joinGroupV7.api,
      JOIN_LIMIT_MS,
      groupId,
      GROUP_TIMES.sessionTimeoutMs,
      GROUP_TIMES.rebalanceTimeoutMs,
      this.memberId,
      null,
      type,
      [{ name, metadata: encodeSubscription(kafka, topic) }],
    );
    const { generationId, leader, members } = joined;
    const memberId = joined.memberId as string;
    this.memberId = memberId;
    const dealt = leader === memberId ? await this.deal(members.map((member) => member.memberId)) : [];
    const { api } = kafka.syncGroupV5;
    const synced = await coordinator.ask(api, JOIN_LIMIT_MS, groupId, generationId, memberId, null, type, name, dealt);
    this.generation = generationId;
    this.heardAt = performance.now();
    if (!this.leaving) this.listener.assigned(decodeAssignment(kafka, topic, synced.assignment));
  }

  private async deal(memberIds: readonly string[]): Promise<syncGroupV5.SyncGroupRequestAssignment[]> {
    const { leaders } = await this.brokers.layout(this.topic);
    return [...dealPartitions(memberIds, leaders.length)].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment(this.brokers.kafka, this.topic, partitions),
    }));
  }

  /** Keeps the membership alive. Ends by an error, or when leaving. */
  private async stay(coordinator: BrokerConnection, generation: number): Promise<void> {
    const { api } = this.brokers.kafka.heartbeatV4;
    while (!this.leaving) {
      await this.pause(GROUP_TIMES.heartbeatEveryMs);
      if (this.leaving) return;
      await coordinator.ask(api, ANSWER_LIMIT_MS, this.groupId, generation, this.memberId, null);
      this.heardAt = performance.now();
    }
  }

  /** True for what a group says to a member that has to join anew; notes what it has to join as. */
  private mustJoinAnew(error: unknown): boolean {
    if (!(error instanceof BrokerRefusal)) return false;
    switch (error.code) {
      case MEMBER_ID_REQUIRED:
        this.memberId = answerDespite<joinGroupV7.JoinGroupResponse>(error)?.memberId ?? '';
        break;
      case UNKNOWN_MEMBER_ID:
        this.memberId = '';
        break;
      case ILLEGAL_GENERATION:
      case REBALANCE_IN_PROGRESS:
        break;
      default:
        return false;
    }
    this.generation = null;
    this.heardAt = performance.now();
    return true;
  }

  /** The group may be coordinated by another broker by now, which knows this member and its generation. */
  private dropCoordinator(): void {
    this.coordinator?.destroy();
    this.coordinator = null;
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, null, { signal: this.stopped.signal }).catch(() => undefined);
  }
}
