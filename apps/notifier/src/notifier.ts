import { createChannelRegistry, type ChannelRegistry } from '@flatline/channels';
import type { EventLog, LogSubscription } from '@flatline/event-log';
import { INCIDENTS_TOPIC, NOTIFIER_GROUP } from '@flatline/events';
import type { DatabaseSession } from '@flatline/persistence';
import { type Kernel, publicBaseUrl } from '@flatline/service-kernel';
import type { Timers, WakeQueue } from '@flatline/timers';
import type { DataSource } from 'typeorm';
import { Claimant } from './claimant';
import { DefaultChannels, defaultWebhookSecret, unusableDefaults } from './default-channels';
import { Deliverer } from './deliverer';
import { DeliveryStore } from './delivery-store';
import { DeliverySweep } from './delivery-sweep';
import { IncidentConsumer } from './incident-consumer';
import { NotificationStore } from './notification-store';
import { NotifierMetrics } from './notifier-metrics';
import { TERMINAL_CHANNEL } from './plan-notifications';

export interface NotifierParts extends Kernel {
  readonly dataSource: DataSource;
  readonly session: DatabaseSession;
  readonly log: EventLog;
  readonly timers: Timers;
}

const MAX_BATCH_RECORDS = 500;
/** A wake only notes its id, so many may run at once and share a look-up. */
const WAKE_CONCURRENCY = 200;

/**
 * Tells people about incidents. This class only connects the parts: who is told is decided in plan-notifications.ts
 * and written in incident-consumer.ts, delivery is in deliverer.ts, what was forgotten is found by delivery-sweep.ts.
 */
export class Notifier {
  constructor(private readonly parts: NotifierParts) {}

  async start(): Promise<void> {
    const { config, dataSource, session, log, timers, clock, logger, health, shutdown, tracing } = this.parts;
    const channels = this.openChannels();
    const defaults = new DefaultChannels(config, await defaultWebhookSecret(config, dataSource));
    const configuredIds = [...defaults.configured.map(({ id }) => id), TERMINAL_CHANNEL.id];
    const claimant = new Claimant(session);
    const store = new DeliveryStore(dataSource, claimant.id, configuredIds);
    const queue = timers.queue('deliveries');
    const metrics = new NotifierMetrics(this.parts.metrics, () => sweep.backlog);

    const deliverer = new Deliverer({
      store,
      channels,
      defaults,
      queue,
      clock,
      logger,
      metrics,
      tracing,
      random: Math.random,
      roomAgain: () => void sweep.sweep(),
    });
    const sweep = new DeliverySweep({ store, claimant, queue, clock, logger, offer: (due) => deliverer.offer(due) });
    const consumer = new IncidentConsumer({
      dataSource,
      log,
      store: new NotificationStore(),
      channels,
      defaults,
      clock,
      logger,
      metrics,
      tracing,
      planned: (planned) => deliverer.offer(planned.filter(({ status }) => status === 'pending')),
    });

    await queue.start((id) => deliverer.wake(id), { concurrency: WAKE_CONCURRENCY });
    await sweep.start(); // before anything is claimed, so that nobody takes us for dead
    const subscription = await log.consume({
      topic: INCIDENTS_TOPIC,
      group: NOTIFIER_GROUP,
      maxRecords: MAX_BATCH_RECORDS,
      handler: consumer,
    });
    health.register('delivery timers', () => queue.missing(), 'timers_away');
    health.register('delivery sweep', () => sweep.missing(), 'deliveries_overdue');
    shutdown.on('workers', 'notifier', () => stop({ subscription, sweep, deliverer, claimant, queue, channels }));
  }

  private openChannels(): ChannelRegistry {
    const { config, clock, logger } = this.parts;
    for (const sentence of unusableDefaults(config)) logger.warn({}, sentence);
    return createChannelRegistry({
      publicBaseUrl: publicBaseUrl(config),
      smtpUrl: config.SMTP_URL ?? null,
      mailFrom: config.ALERT_EMAIL_FROM,
      allowPrivateWebhookTargets: config.ALLOW_PRIVATE_WEBHOOK_TARGETS,
      terminal: process.stdout,
      now: () => clock.now(),
    });
  }
}

interface Running {
  readonly subscription: LogSubscription;
  readonly sweep: DeliverySweep;
  readonly deliverer: Deliverer;
  readonly claimant: Claimant;
  readonly queue: WakeQueue;
  readonly channels: ChannelRegistry;
}

/** Plans nothing more, then delivers nothing more, then lets go of timers and connections. */
async function stop({ subscription, sweep, deliverer, claimant, queue, channels }: Running): Promise<void> {
  await Promise.all([subscription.close(), sweep.stop()]);
  await deliverer.stop();
  await Promise.all([claimant.end(), queue.close(), channels.close()]);
}
