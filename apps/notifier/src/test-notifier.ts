import type { OutgoingRecord } from '@flatline/event-log';
import type { LogProducer } from '@flatline/event-log';
import { INCIDENTS_TOPIC } from '@flatline/events';
import { openInfrastructure, type Infrastructure } from '@flatline/infrastructure';
import { migrate } from '@flatline/persistence';
import { type Clock, createKernel, type Kernel, loadConfig, silentLogger } from '@flatline/service-kernel';
import { v7 as uuidv7 } from 'uuid';
import { Notifier } from './notifier';
import { downRecord, recoveredRecord } from './test-incidents';
import type { TestIncident } from './test-incidents';

/** What the delivery log says of one notification. */
export interface NotificationRow {
  readonly id: string;
  readonly transition: string;
  readonly heartbeatId: string;
  readonly channelId: string;
  readonly channelKind: string;
  readonly status: string;
  readonly reason: string | null;
  readonly attempts: number;
  readonly nextAttemptAt: Date | null;
}

export interface AttemptRow {
  readonly notificationId: string;
  readonly attempt: number;
  readonly outcome: string;
  readonly detail: string;
}

const PARTITIONS = 2;
const PROJECT = '0192d3f0-7a10-7c3e-9b1a-000000000001';

/** A notifier over a real database, for tests, with the test playing the deadline scheduler. */
export class TestNotifier {
  private constructor(
    readonly kernel: Kernel,
    readonly infrastructure: Infrastructure,
    private readonly producer: LogProducer,
    private readonly notifier: Notifier,
  ) {}

  static async open(
    databaseUrl: string,
    env: Readonly<Record<string, string>> = {},
    parts: { readonly clock?: Clock } = {},
  ): Promise<TestNotifier> {
    await migrate(databaseUrl);
    const config = loadConfig({ PING_PARTITIONS: String(PARTITIONS), ALLOW_PRIVATE_WEBHOOK_TARGETS: 'true', ...env });
    const kernel = createKernel(config, { logger: silentLogger(), ...parts });
    const infrastructure = await openInfrastructure(kernel, databaseUrl);
    const { dataSource, session, log, timers } = infrastructure;
    await dataSource.query(
      `INSERT INTO project (id, name, created_at) VALUES ($1, 'test', now()) ON CONFLICT DO NOTHING`,
      [PROJECT],
    );
    const notifier = new Notifier({ ...kernel, dataSource, session, log, timers });
    return new TestNotifier(kernel, infrastructure, await log.producer(), notifier);
  }

  static async start(...args: Parameters<typeof TestNotifier.open>): Promise<TestNotifier> {
    const opened = await TestNotifier.open(...args);
    await opened.start();
    return opened;
  }

  start(): Promise<void> {
    return this.notifier.start();
  }

  async stop(): Promise<void> {
    await this.kernel.shutdown.run(9_000);
  }

  async goDown(...incidents: readonly TestIncident[]): Promise<void> {
    await this.append(incidents.map((incident) => downRecord(incident, PARTITIONS)));
  }

  async recover(...incidents: readonly TestIncident[]): Promise<void> {
    await this.append(incidents.map((incident) => recoveredRecord(incident, PARTITIONS)));
  }

  async append(records: readonly OutgoingRecord[]): Promise<void> {
    await this.producer.append(INCIDENTS_TOPIC, records);
  }

  async addChannel(kind: string, settings: unknown, secret: string | null = null): Promise<string> {
    const id = uuidv7();
    await this.infrastructure.dataSource.query(
      `INSERT INTO channel (id, project_id, kind, name, settings, secret, created_at)
       VALUES ($1, $2, $3, 'test', $4, $5, now())`,
      [id, PROJECT, kind, JSON.stringify(settings), secret],
    );
    return id;
  }

  async deleteChannel(id: string): Promise<void> {
    await this.infrastructure.dataSource.query('UPDATE channel SET deleted_at = now() WHERE id = $1', [id]);
  }

  /** As a tombstone, which stays. */
  async deleteHeartbeat(id: string): Promise<void> {
    await this.infrastructure.dataSource.query(
      `INSERT INTO heartbeat (id, project_id, name, interval_secs, grace_secs, schedule_changed_at, created_at, updated_at,
         deleted_at) VALUES ($1, $2, 'gone', 60, 10, now(), now(), now(), now())`,
      [id, PROJECT],
    );
  }

  /** In the order in which they were planned. */
  notifications(): Promise<NotificationRow[]> {
    return this.infrastructure.dataSource.query(
      `SELECT id, transition, heartbeat_id AS "heartbeatId", channel_id AS "channelId", channel_kind AS "channelKind",
         status, reason, attempts, next_attempt_at AS "nextAttemptAt"
       FROM notification ORDER BY seq`,
    );
  }

  attempts(): Promise<AttemptRow[]> {
    return this.infrastructure.dataSource.query(
      `SELECT notification_id AS "notificationId", attempt, outcome, detail FROM delivery_attempt
       ORDER BY notification_id, attempt`,
    );
  }
}
