import { createHash } from 'node:crypto';
import { namesPrivateTarget, newWebhookSecret } from '@flatline/channels';
import type { FlatlineConfig } from '@flatline/service-kernel';
import type { DataSource } from 'typeorm';
import { TERMINAL_CHANNEL } from './plan-notifications';

/** A channel that is configured rather than stored. `settings` is parsed by its kind, like that of any other. */
export interface DefaultChannel {
  readonly id: string;
  readonly kind: string;
  readonly settings: unknown;
  readonly secret: string | null;
}

export type DefaultChannelConfig = Pick<FlatlineConfig, 'DEFAULT_ALERT_EMAIL' | 'DEFAULT_ALERT_WEBHOOK_URL'>;

const DEFAULT_WEBHOOK_ID = 'default-webhook';

/**
 * The channels that every project has: those of the configuration and, where none can be used, the terminal.
 *
 * An address is part of its channel's id (as a hash), so that what was planned for an address that has left the
 * configuration goes nowhere, rather than to somebody else.
 */
export class DefaultChannels {
  private readonly byId: ReadonlyMap<string, DefaultChannel>;
  /** Those told about every project; without the terminal. */
  readonly configured: readonly DefaultChannel[];

  constructor(config: DefaultChannelConfig, webhookSecret: string | null) {
    const emails = (config.DEFAULT_ALERT_EMAIL ?? []).map((address) => ({
      id: `default-email-${createHash('sha256').update(address).digest('hex').slice(0, 16)}`,
      kind: 'email',
      settings: { address },
      secret: null,
    }));
    const url = config.DEFAULT_ALERT_WEBHOOK_URL;
    const webhooks =
      url === undefined ? [] : [{ id: DEFAULT_WEBHOOK_ID, kind: 'webhook', settings: { url }, secret: webhookSecret }];
    this.configured = [...emails, ...webhooks];
    const terminal = { id: TERMINAL_CHANNEL.id, kind: TERMINAL_CHANNEL.kind, settings: {}, secret: null };
    this.byId = new Map([...this.configured, terminal].map((channel) => [channel.id, channel]));
  }

  find(id: string): DefaultChannel | null {
    return this.byId.get(id) ?? null;
  }
}

/** Which of the configured channels can never be told, in sentences, so that it is known before the first alert. */
export function unusableDefaults(
  config: DefaultChannelConfig & Pick<FlatlineConfig, 'SMTP_URL' | 'ALLOW_PRIVATE_WEBHOOK_TARGETS'>,
): string[] {
  const sentences: string[] = [];
  if (config.DEFAULT_ALERT_EMAIL && config.SMTP_URL === undefined) {
    sentences.push('nobody of DEFAULT_ALERT_EMAIL will be told, because SMTP_URL is not set');
  }
  const url = config.DEFAULT_ALERT_WEBHOOK_URL;
  if (url !== undefined && !config.ALLOW_PRIVATE_WEBHOOK_TARGETS && namesPrivateTarget(new URL(url))) {
    sentences.push(
      'DEFAULT_ALERT_WEBHOOK_URL will not be told, because it names a private address and ' +
        'ALLOW_PRIVATE_WEBHOOK_TARGETS is not set',
    );
  }
  return sentences;
}

/**
 * Signing secret of the default webhook: the configured one, or one that is made once and kept in the database, because
 * Standard Webhooks knows no unsigned messages. Null when there is no default webhook.
 */
export async function defaultWebhookSecret(
  config: Pick<FlatlineConfig, 'DEFAULT_ALERT_WEBHOOK_URL' | 'DEFAULT_ALERT_WEBHOOK_SECRET'>,
  dataSource: DataSource,
): Promise<string | null> {
  if (config.DEFAULT_ALERT_WEBHOOK_URL === undefined) return null;
  if (config.DEFAULT_ALERT_WEBHOOK_SECRET !== undefined) return config.DEFAULT_ALERT_WEBHOOK_SECRET;
  const name = 'default_webhook_secret';
  await dataSource.query('INSERT INTO installation_fact (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    name,
    JSON.stringify(newWebhookSecret()),
  ]);
  const [row] = await dataSource.query<{ value: string }[]>('SELECT value FROM installation_fact WHERE name = $1', [
    name,
  ]);
  if (!row) throw new Error('the signing secret that was just written is gone');
  return row.value;
}
