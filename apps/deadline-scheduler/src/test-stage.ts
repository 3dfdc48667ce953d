import { shardOf } from '@flatline/domain';
import type { LogProducer, OutgoingRecord } from '@flatline/event-log';
import { heartbeatDefined, HEARTBEATS_TOPIC, ingestPulsed, pingReceived, PINGS_TOPIC } from '@flatline/events';
import { openInfrastructure, type Infrastructure } from '@flatline/infrastructure';
import { migrate } from '@flatline/persistence';
import { type Clock, createKernel, loadConfig, type Kernel } from '@flatline/service-kernel';
import { createTestDatabase, type TestDatabase } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { DeadlineScheduler } from './deadline-scheduler';

export const PROJECT = '0192d3f0-7a10-7c3e-9b1a-000000000001';
export const PARTITIONS = 2;

/** A scheduler over a real database, with the test playing the ingest. */
export class Stage {
  readonly ids: string[] = [];
  private sequence = 0;
  private epoch = 1;
  acceptingSince = Date.now();

  private constructor(
    readonly database: TestDatabase,
    readonly kernel: Kernel,
    readonly infrastructure: Infrastructure,
    readonly producer: LogProducer,
    public scheduler: DeadlineScheduler | null,
  ) {}

  /**
   * @param variables of the environment, beside those that every stage has
   * @param clock of the scheduler; the machine's unset
   * @param leaseSeconds shorter than an ingest could keep, so that tests of what comes after it need not wait
   */
  static async open(
    database?: TestDatabase,
    variables: Record<string, string> = {},
    { clock, leaseSeconds = 2 }: { clock?: Clock; leaseSeconds?: number } = {},
  ): Promise<Stage> {
    const own = database ?? (await createTestDatabase('scheduler'));
    await migrate(own.url);
    const config = {
      ...loadConfig({ LOG_LEVEL: 'fatal', PING_PARTITIONS: String(PARTITIONS), ...variables }),
      INGEST_LEASE_SECONDS: leaseSeconds,
    };
    const kernel = createKernel(config, { ...(clock && { clock }) });
    const infrastructure = await openInfrastructure(kernel, own.url);
    const producer = await infrastructure.log.producer({ exclusiveId: uuidv7() });
    await infrastructure.dataSource.query(
      `INSERT INTO project (id, name, created_at) VALUES ($1, 'test', now()) ON CONFLICT DO NOTHING`,
      [PROJECT],
    );
    return new Stage(own, kernel, infrastructure, producer, null);
  }

  async startScheduler(): Promise<void> {
    const { dataSource, log, timers } = this.infrastructure;
    this.scheduler = new DeadlineScheduler({ ...this.kernel, dataSource, log, timers });
    await this.scheduler.start();
  }

  async close(): Promise<void> {
    await this.kernel.shutdown.run(5_000);
    await this.database.drop();
  }

  async heartbeat(intervalSecs: number, graceSecs: number, alertAfterMisses = 2): Promise<string> {
    const id = uuidv7();
    await this.infrastructure.dataSource.query(
      `INSERT INTO heartbeat (id, project_id, name, interval_secs, grace_secs, alert_after_misses, schedule_changed_at,
                              created_at, updated_at)
       VALUES ($1, $2, 'job', $3, $4, $5, now() - interval '1 hour', now(), now())`,
      [id, PROJECT, intervalSecs, graceSecs, alertAfterMisses],
    );
    this.ids.push(id);
    return id;
  }

  /** Many at once, each with a first miss that alerts. */
  async heartbeats(count: number, intervalSecs: number): Promise<string[]> {
    const ids = Array.from({ length: count }, () => uuidv7());
    await this.infrastructure.dataSource.query(
      `INSERT INTO heartbeat (id, project_id, name, interval_secs, grace_secs, alert_after_misses, schedule_changed_at,
                              created_at, updated_at)
       SELECT id, $2, 'job', $3, 0, 1, now() - interval '1 hour', now(), now() FROM unnest($1::uuid[]) AS id`,
      [ids, PROJECT, intervalSecs],
    );
    this.ids.push(...ids);
    return ids;
  }

  ping(heartbeatId: string, receivedAt: number, id = uuidv7(), userAgent?: string): Promise<unknown> {
    return this.producer.append(PINGS_TOPIC, [this.pingRecord(heartbeatId, receivedAt, id, userAgent)]);
  }

  /** One ping of each, in appends of a thousand. */
  async pingEach(heartbeatIds: readonly string[], receivedAt: number): Promise<void> {
    for (let index = 0; index < heartbeatIds.length; index += 1_000) {
      const some = heartbeatIds.slice(index, index + 1_000);
      await this.producer.append(
        PINGS_TOPIC,
        some.map((heartbeatId) => this.pingRecord(heartbeatId, receivedAt, uuidv7())),
      );
    }
  }

  /** Says that the definition in the table is another now; what the event says of it is not looked at. */
  announce(heartbeatId: string): Promise<unknown> {
    const [id, now] = [uuidv7(), Date.now()];
    return this.producer.append(HEARTBEATS_TOPIC, [
      {
        partition: shardOf(heartbeatId, PARTITIONS),
        key: heartbeatId,
        value: heartbeatDefined.encode({
          id,
          occurredAt: now,
          producedAt: now,
          key: heartbeatId,
          correlationId: id,
          data: {
            heartbeatId,
            projectId: PROJECT,
            version: 2,
            name: 'job',
            schedule: { kind: 'interval', intervalSecs: 1 },
            graceSecs: 0,
            alertAfterMisses: 1,
            scheduleChangedAt: now,
            pauseSpans: [],
            tokenGeneration: 0,
          },
        }),
      },
    ]);
  }

  /** Everything before now was accepted and is in the log. */
  async pulse(lowWatermark = Date.now(), overrides: { epoch?: number; acceptingSince?: number } = {}): Promise<void> {
    this.epoch = overrides.epoch ?? this.epoch;
    this.acceptingSince = overrides.acceptingSince ?? this.acceptingSince;
    await this.producer.append(
      PINGS_TOPIC,
      Array.from({ length: PARTITIONS }, (_, partition) => ({
        partition,
        key: 'test',
        value: ingestPulsed.encode({
          id: uuidv7(),
          occurredAt: lowWatermark,
          producedAt: lowWatermark,
          key: 'test',
          correlationId: 'test',
          data: {
            ingestId: 'test',
            epoch: this.epoch,
            lowWatermark,
            acceptingSince: this.acceptingSince,
            acknowledged: 0,
            retiring: false,
          },
        }),
      })),
    );
  }

  /** Pulses four times a second, as an ingest does. @returns a function that ends it */
  pulseOnAndOn(): () => Promise<void> {
    let isOn = true;
    const pulsing = (async () => {
      while (isOn) {
        await this.pulse();
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    })();
    return () => {
      isOn = false;
      return pulsing;
    };
  }

  async rows<Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return this.infrastructure.dataSource.query<Row[]>(sql, parameters);
  }

  async incidents(heartbeatId: string) {
    const rows = await this.rows<{ started_at: Date; ended_at: Date | null; misses: number }>(
      'SELECT started_at, ended_at, misses FROM incident WHERE heartbeat_id = $1 ORDER BY started_at',
      [heartbeatId],
    );
    return rows.map((row) => ({
      startedAt: row.started_at.getTime(),
      endedAt: row.ended_at?.getTime() ?? null,
      misses: row.misses,
    }));
  }

  async pingCount(heartbeatId: string): Promise<number> {
    const [row] = await this.rows<{ count: string }>('SELECT count(*) FROM ping WHERE heartbeat_id = $1', [
      heartbeatId,
    ]);
    return Number(row?.count);
  }

  async eventCount(): Promise<number> {
    let count = 0;
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      count += (await this.infrastructure.log.bounds('flatline.incidents.v1', partition)).end;
    }
    return count;
  }

  private pingRecord(heartbeatId: string, receivedAt: number, id: string, userAgent?: string): OutgoingRecord {
    this.sequence += 1;
    return {
      partition: shardOf(heartbeatId, PARTITIONS),
      key: heartbeatId,
      value: pingReceived.encode({
        id,
        occurredAt: receivedAt,
        producedAt: receivedAt,
        key: heartbeatId,
        correlationId: id,
        data: {
          heartbeatId,
          generation: 0,
          kind: 'success',
          receivedAt,
          ingestId: 'test',
          epoch: this.epoch,
          sequence: this.sequence,
          userAgent,
        },
      }),
    };
  }
}
