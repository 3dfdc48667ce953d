import { setTimeout as sleep } from 'node:timers/promises';
import type { fetchV13 } from '@platformatic/kafka';
import type { LogRecord } from '../../event-log';
import { BrokerRefusal, FETCH_BYTES, GROUP_TIMES, KafkaErrorCode } from '../kafka-client';
import type { KafkaReaderOptions } from '../kafka-client';
import type { BrokerConnection } from './broker-connection';
import { NO_LEADER } from './brokers';
import type { Brokers } from './brokers';
import { answerDespite } from './platformatic-errors';
import { decodeBatches } from './record-decoder';

/** One fetch waits for the quiet partitions of a broker while the other serves those that became readable meanwhile. */
const LANES_PER_BROKER = 2;
const FETCH_LIMIT_MS = GROUP_TIMES.fetchWaitMs + 5_000;
/** After trouble with a broker or a partition, before it is tried again. */
const RETRY_MS = 200;

const ANY_EPOCH = -1;
/** Isolation level, session id and session epoch of a fetch that knows neither transactions nor sessions. */
const NO_TRANSACTIONS_NO_SESSION = [0, 0, -1] as const;

export interface FetcherListener {
  records(partition: number, records: LogRecord[]): void;
  misplaced(partition: number): void;
}

/** Where reading of a partition stands. A new one per `read`: what a fetch for an older one brings is thrown away. */
interface Cursor {
  readonly partition: number;
  offset: number;
  /** In a fetch, at rest after one, or waiting after trouble. */
  busy: boolean;
}

class Lane {
  connection: BrokerConnection | null = null;
  busy = false;
}

/** Fetches the partitions that are read, from their leaders, for as long as they are read. Never resets a position. */
export class PartitionFetcher {
  private readonly cursors = new Map<number, Cursor>();
  private readonly lanes = new Map<number, Lane[]>();
  private readonly topic: string;
  private readonly restMs: number;
  private scheduled = false;
  private stopped = false;

  constructor(
    private readonly brokers: Brokers,
    { topic, restMs }: Pick<KafkaReaderOptions, 'topic' | 'restMs'>,
    private readonly listener: FetcherListener,
    private readonly trouble: (error: unknown) => void,
  ) {
    this.topic = topic;
    this.restMs = restMs;
  }

  read(partition: number, offset: number): void {
    this.cursors.set(partition, { partition, offset, busy: false });
    this.schedule();
  }

  pause(partition: number): void {
    this.cursors.delete(partition);
  }

  pauseAll(): void {
    this.cursors.clear();
  }

  /** Delivers nothing any more. The connections end with `brokers`. */
  stop(): void {
    this.stopped = true;
    this.cursors.clear();
  }

  /** Partitions that become readable together are fetched together. */
  private schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      void this.round();
    });
  }

  private async round(): Promise<void> {
    const waiting = [...this.cursors.values()].filter(({ busy }) => !busy);
    if (waiting.length === 0) return;
    for (const cursor of waiting) cursor.busy = true;
    try {
      const { id, leaders } = await this.brokers.layout(this.topic);
      const leaderOf = ({ partition }: Cursor): number => leaders[partition] ?? NO_LEADER;
      for (const leader of new Set(waiting.map(leaderOf))) {
        const led = waiting.filter((cursor) => leaderOf(cursor) === leader);
        if (leader === NO_LEADER) void this.recover(new Error('partitions have no leader'), led);
        else this.begin(leader, id, led);
      }
    } catch (error) {
      await this.recover(error, waiting);
    }
  }

  private begin(leader: number, topicId: string, cursors: readonly Cursor[]): void {
    const lanes = this.lanes.get(leader) ?? Array.from({ length: LANES_PER_BROKER }, () => new Lane());
    this.lanes.set(leader, lanes);
    const lane = lanes.find(({ busy }) => !busy);
    if (lane) void this.fetch(lane, leader, topicId, cursors);
    else for (const cursor of cursors) cursor.busy = false; // a lane that becomes free schedules a round
  }

  private async fetch(lane: Lane, leader: number, topicId: string, cursors: readonly Cursor[]): Promise<void> {
    lane.busy = true;
    try {
      if (!lane.connection?.usable) {
        lane.connection = await this.brokers.separateConnection(await this.brokers.address(leader));
      }
      const [answer] = (await this.ask(lane.connection, topicId, cursors)).responses;
      const parts = new Map(answer?.partitions.map((part) => [part.partitionIndex, part]));
      const reading: Cursor[] = [];
      let records = 0;
      for (const cursor of cursors) {
        const taken = this.take(cursor, parts.get(cursor.partition));
        if (taken === null) continue;
        reading.push(cursor);
        records += taken;
      }
      void this.freeAfter(records > 0 ? this.restMs : 0, reading);
    } catch (error) {
      lane.connection?.destroy();
      void this.recover(error, cursors);
    } finally {
      lane.busy = false;
      this.schedule();
    }
  }

  private async ask(
    connection: BrokerConnection,
    topicId: string,
    cursors: readonly Cursor[],
  ): Promise<fetchV13.FetchResponse> {
    const partitions = cursors.map(({ partition, offset }) => ({
      partition,
      fetchOffset: BigInt(offset),
      partitionMaxBytes: FETCH_BYTES.perPartition,
      currentLeaderEpoch: ANY_EPOCH,
      lastFetchedEpoch: ANY_EPOCH,
    }));
    try {
      return await connection.ask(
        this.brokers.kafka.fetchV13.api,
        FETCH_LIMIT_MS,
        GROUP_TIMES.fetchWaitMs,
        1, // byte is enough for an answer
        FETCH_BYTES.inAll,
        ...NO_TRANSACTIONS_NO_SESSION,
        [{ topicId, partitions }],
        [],
        '',
      );
    } catch (error) {
      // One partition with an error must not take the records of the others along.
      const answer = answerDespite<fetchV13.FetchResponse>(error);
      if (answer?.errorCode !== 0) throw error;
      return answer;
    }
  }

  /**
   * What a fetch brought for one partition.
   * @param part undefined when the broker left it out
   * @returns how many records; null when the cursor is not to be fetched from as it is
   */
  private take(cursor: Cursor, part: fetchV13.FetchResponsePartition | undefined): number | null {
    const { partition } = cursor;
    if (this.cursors.get(partition) !== cursor) return null; // paused, or read from elsewhere, meanwhile
    if (part?.errorCode === KafkaErrorCode.OFFSET_OUT_OF_RANGE) {
      this.cursors.delete(partition);
      this.listener.misplaced(partition);
      return null;
    }
    if (!part || part.errorCode !== 0) {
      const code = part?.errorCode ?? -1;
      void this.recover(new BrokerRefusal(code, `partition ${partition} cannot be fetched, error ${code}`), [cursor]);
      return null;
    }
    const { records, next } = decodeBatches(this.topic, partition, cursor.offset, part.records ?? []);
    cursor.offset = next;
    if (records.length === 0) return 0;
    // To the end of the queue: an answer has room for some partitions only when all have much.
    this.cursors.delete(partition);
    this.cursors.set(partition, cursor);
    this.listener.records(partition, records);
    return records.length;
  }

  /** Tries these again after a while, at whoever leads them then. */
  private async recover(error: unknown, cursors: readonly Cursor[]): Promise<void> {
    if (this.stopped) return;
    this.brokers.forget(this.topic);
    this.trouble(error);
    await this.freeAfter(RETRY_MS, cursors);
  }

  private async freeAfter(ms: number, cursors: readonly Cursor[]): Promise<void> {
    if (ms > 0) await sleep(ms);
    for (const cursor of cursors) cursor.busy = false;
    this.schedule();
  }
}
