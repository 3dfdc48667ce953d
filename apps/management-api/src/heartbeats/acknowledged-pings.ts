import { Inject, Injectable } from '@nestjs/common';
import { shardOf } from '@flatline/domain';
import { EVENT_LOG, type EventLog } from '@flatline/event-log';
import { DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC } from '@flatline/events';
import { type Clock, CLOCK, CONFIG, type FlatlineConfig } from '@flatline/service-kernel';
import { DataSource } from 'typeorm';

const WITHIN_MS = 500;
const LOOK_EVERY_MS = 8;

/**
 * Lets a reader see every ping that was acknowledged before it asked: a ping is answered when it is in the log and
 * applied some milliseconds later, and a script that pings and then reads must not find it missing.
 */
@Injectable()
export class AcknowledgedPings {
  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(CONFIG) private readonly config: FlatlineConfig,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly dataSource: DataSource,
  ) {}

  /**
   * Resolves when the scheduler has applied what the log held of the heartbeat's shard at the call, or after half a
   * second: a scheduler that is behind, or a log that does not answer, must not keep anybody from reading.
   */
  async applied(heartbeatId: string): Promise<void> {
    const partition = shardOf(heartbeatId, this.config.PING_PARTITIONS);
    const deadline = this.clock.monotonic() + WITHIN_MS;
    const end = await this.endOf(partition);
    if (end === null) return; // what is known is answered; the readiness of those who write tells of the log
    while (!(await this.isApplied(heartbeatId, partition, end)) && this.clock.monotonic() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** Null when the log does not answer in time: one that hangs would keep its reader for seconds. */
  private async endOf(partition: number): Promise<number | null> {
    const bounds = this.log.bounds(PINGS_TOPIC, partition).catch(() => null);
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, WITHIN_MS, null);
    });
    const answer = await Promise.race([bounds, tooLate]);
    clearTimeout(timer);
    return answer?.end ?? null;
  }

  /** Whether everything before an offset was read, and no ping of the heartbeat that was read waits for the watermark. */
  private async isApplied(heartbeatId: string, partition: number, end: number): Promise<boolean> {
    const [row] = await this.dataSource.query<{ next_offset: string; waits: boolean | null }[]>(
      `SELECT next_offset, ingests->'waiting' @> jsonb_build_array(jsonb_build_object('heartbeatId', $4::text)) AS waits
       FROM consumer_offset WHERE consumer_group = $1 AND topic = $2 AND partition = $3`,
      [DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, partition, heartbeatId],
    );
    return Number(row?.next_offset ?? 0) >= end && row?.waits !== true;
  }
}
