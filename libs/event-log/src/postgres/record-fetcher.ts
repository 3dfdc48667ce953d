import type { LogRecord } from '../event-log';
import type { Fetched } from '../partition-worker';
import { sqlState } from './connection';
import { unpackRecords } from './record-codec';
import type { SharedConnection } from './shared-connection';
import type { Topic } from './topic-catalog';

/**
 * A fetch brings about this many bytes in all, because unpacking them holds up everything else in the process, and at
 * least one batch per partition.
 */
const FETCH_BYTES = 1_048_576;
/** However many partitions share a fetch, each may have this much. */
const FETCH_BYTES_MIN = 131_072;
/** ... in at most this many batches. */
const FETCH_BATCHES = 256;
const UNDEFINED_TABLE = '42P01';

interface Want {
  readonly partition: number;
  readonly position: number;
  readonly resolve: (fetched: Fetched) => void;
  readonly reject: (error: unknown) => void;
}

interface SegmentStart {
  readonly segmentId: number;
  readonly startOffset: number;
}

/**
 * Reads the partitions of one topic. What is asked for while a read runs goes into the next one together, so a busy
 * topic costs one query for all its partitions and not one each.
 */
export class RecordFetcher {
  private wants: Want[] = [];
  private running = false;
  /** Per partition, ascending. The last segment known may have been sealed since. */
  private segments = new Map<number, SegmentStart[]>();

  constructor(
    private readonly shared: SharedConnection,
    private readonly topic: Topic,
  ) {}

  /**
   * The records from `position` on, possibly from the middle of a batch; none when the end is reached.
   * @throws Error when the log does not answer, or is damaged: a hole is an error, never skipped
   */
  fetch(partition: number, position: number): Promise<Fetched> {
    return new Promise((resolve, reject) => {
      this.wants.push({ partition, position, resolve, reject });
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    await Promise.resolve(); // whoever asks in the same turn comes along
    while (this.wants.length > 0) {
      const wants = this.wants;
      this.wants = [];
      try {
        await this.serve(wants);
      } catch (error) {
        for (const want of wants) want.reject(error); // no effect on those that were served
      }
    }
    this.running = false;
  }

  private async serve(wants: readonly Want[]): Promise<void> {
    const unserved = await this.readSegments(wants);
    if (unserved.length === 0) return;
    // Nothing where it should be: the end, a new segment, a dropped one, or a position outside the log. The ends are
    // asked for first, so that the segments seen afterwards hold everything before them.
    const ends = await this.ends(unserved);
    await this.refresh();
    const again: Want[] = [];
    for (const want of unserved) {
      const start = this.segments.get(want.partition)?.[0]?.startOffset ?? 0;
      const end = ends.get(want.partition) ?? 0;
      if (want.position === end) want.resolve({ kind: 'none' });
      else if (want.position < start || want.position > end) want.resolve({ kind: 'out-of-range', start, end });
      else again.push(want);
    }
    for (const { partition, position } of await this.readSegments(again)) {
      throw new Error(`record ${position} of ${this.topic.name}, partition ${partition}, cannot be found`);
    }
  }

  /** Resolves the wants it finds records for and answers the others. */
  private async readSegments(wants: readonly Want[]): Promise<Want[]> {
    const bySegment = new Map<number, Want[]>();
    const unserved: Want[] = [];
    for (const want of wants) {
      const segmentId = this.segmentOf(want);
      if (segmentId === null) unserved.push(want);
      else bySegment.set(segmentId, [...(bySegment.get(segmentId) ?? []), want]);
    }
    for (const [segmentId, group] of bySegment) {
      unserved.push(...(await this.readSegment(segmentId, group)));
    }
    return unserved;
  }

  private segmentOf({ partition, position }: Want): number | null {
    const starts = this.segments.get(partition) ?? [];
    for (let index = starts.length - 1; index >= 0; index--) {
      const start = starts[index] as SegmentStart;
      if (start.startOffset <= position) return start.segmentId;
    }
    return null;
  }

  private async readSegment(segmentId: number, wants: readonly Want[]): Promise<Want[]> {
    let rows: unknown[][];
    try {
      rows = await this.shared.query(
        `SELECT w.partition, b.last_offset, b.record_count, b.appended_at, b.payload
         FROM unnest($1::int[], $2::bigint[]) AS w(partition, position)
         CROSS JOIN LATERAL (
           SELECT s.*, sum(octet_length(s.payload)) OVER (ORDER BY s.last_offset) - octet_length(s.payload) AS before
           FROM (SELECT * FROM flatline_log.segment_${segmentId} s
                 WHERE s.partition = w.partition AND s.last_offset >= w.position
                 ORDER BY s.last_offset LIMIT ${FETCH_BATCHES}) s
         ) b WHERE b.before < $3 ORDER BY 1, 2`,
        [
          wants.map((want) => want.partition),
          wants.map((want) => want.position),
          Math.max(FETCH_BYTES_MIN, Math.floor(FETCH_BYTES / wants.length)),
        ],
      );
    } catch (error) {
      if (sqlState(error) === UNDEFINED_TABLE) return [...wants]; // dropped since
      throw error;
    }
    const found = new Map<number, unknown[][]>();
    for (const row of rows) {
      const partition = Number(row[0]);
      const group = found.get(partition);
      if (group) group.push(row);
      else found.set(partition, [row]);
    }
    return wants.filter((want) => {
      const batches = found.get(want.partition);
      if (batches) this.settle(want, batches);
      return !batches;
    });
  }

  private settle(want: Want, rows: readonly unknown[][]): void {
    try {
      want.resolve({ kind: 'records', records: this.unpack(want, rows) });
    } catch (error) {
      want.reject(error);
    }
  }

  private unpack({ partition, position }: Want, rows: readonly unknown[][]): LogRecord[] {
    const records: LogRecord[] = [];
    for (const [, lastOffset, count, appendedAt, payload] of rows) {
      const batch = {
        topic: this.topic.name,
        partition,
        lastOffset: Number(lastOffset),
        count: Number(count),
        appendedAt: Number(appendedAt),
        payload: payload as Buffer,
      };
      const expected = position + records.length;
      const unpacked = unpackRecords(batch, expected);
      if (unpacked[0]?.offset !== expected) {
        throw new Error(`record ${expected} of ${batch.topic}, partition ${partition}, is missing from the log`);
      }
      for (const record of unpacked) records.push(record);
    }
    return records;
  }

  private async refresh(): Promise<void> {
    const rows = await this.shared.query(
      `SELECT r.partition, s.segment_id, r.start_offset
       FROM flatline_log.log_segment s JOIN flatline_log.log_segment_range r USING (segment_id)
       WHERE s.topic_id = $1 ORDER BY s.segment_id`,
      [this.topic.id],
    );
    const segments = new Map<number, SegmentStart[]>();
    for (const row of rows) {
      const partition = Number(row[0]);
      const starts = segments.get(partition) ?? [];
      starts.push({ segmentId: Number(row[1]), startOffset: Number(row[2]) });
      segments.set(partition, starts);
    }
    this.segments = segments;
  }

  private async ends(wants: readonly Want[]): Promise<Map<number, number>> {
    const rows = await this.shared.query(
      'SELECT partition, next_offset FROM flatline_log.log_partition WHERE topic_id = $1 AND partition = ANY ($2)',
      [this.topic.id, wants.map((want) => want.partition)],
    );
    return new Map(rows.map((row) => [Number(row[0]), Number(row[1])]));
  }
}
