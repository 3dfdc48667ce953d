import { createEmailChannel, createWebhookChannel, type SendOutcome } from '@flatline/channels';
import { type Clock, type FlatlineConfig, publicBaseUrl, requireVariable } from '@flatline/service-kernel';
import type { AlertNotice } from './alert-book';
import { headline, mailText, webhookBody } from './alert-wording';

/** Somebody who is told, by a way that needs nothing of Flatline's own servers. */
export interface AlertTarget {
  /** For the log; never an address. */
  readonly name: string;
  /** One attempt, which ends by itself within 15 s and never throws. */
  send(notice: AlertNotice, signal: AbortSignal): Promise<SendOutcome>;
  close(): Promise<void>;
}

/**
 * Whom the configuration names. The senders are those of the channels.
 *
 * @param teller how this process calls itself
 * @throws ConfigError when there are addresses and no mail server
 */
export function alertTargets(config: FlatlineConfig, clock: Clock, teller: string): AlertTarget[] {
  return [...webhookTargets(config, clock, teller), ...mailTargets(config, teller)];
}

function webhookTargets(config: FlatlineConfig, clock: Clock, teller: string): AlertTarget[] {
  const { OPERATOR_ALERT_WEBHOOK_URL: url, OPERATOR_ALERT_WEBHOOK_SECRET: secret = null } = config;
  if (url === undefined) return [];
  // Private addresses: whoever sets the environment of a process may send it anywhere.
  const channel = createWebhookChannel({ allowPrivateTargets: true, now: () => clock.now() });
  return [
    {
      name: 'webhook',
      send: (notice, signal) =>
        channel.send(
          { body: webhookBody(notice, teller) },
          { settings: { url }, secret, idempotencyKey: notice.idempotencyKey, signal },
        ),
      close: () => channel.close(),
    },
  ];
}

function mailTargets(config: FlatlineConfig, teller: string): AlertTarget[] {
  const addresses = config.OPERATOR_ALERT_EMAIL ?? [];
  if (addresses.length === 0) return [];
  const channel = createEmailChannel({
    smtpUrl: requireVariable(config, 'SMTP_URL', 'OPERATOR_ALERT_EMAIL'),
    from: config.ALERT_EMAIL_FROM,
    publicBaseUrl: publicBaseUrl(config),
  });
  return addresses.map((address, index) => ({
    name: `e-mail ${index + 1}`,
    send: (notice, signal) =>
      channel.send(
        {
          subject: `Flatline itself: ${headline(notice)}`,
          text: mailText(notice, teller),
          html: null,
          threadId: `operator-${notice.condition}-${notice.sinceAt}`,
        },
        { settings: { address }, secret: null, idempotencyKey: notice.idempotencyKey, signal },
      ),
    close: () => channel.close(),
  }));
}
