import type { z } from 'zod';
import { channelKindNames } from './channel-kind';
import type { ChannelKind, ChannelKindName } from './channel-kind';
import { createEmailChannel } from './email/email-channel';
import { emailSettings } from './email/email-settings';
import type { IncidentFacts } from './incident-facts';
import { permanent, retryable } from './send-outcome';
import type { SendOutcome } from './send-outcome';
import { createTerminalChannel, terminalSettings } from './terminal/terminal-channel';
import type { TerminalStream } from './terminal/terminal-channel';
import { createWebhookChannel } from './webhook/webhook-channel';
import { webhookSettings } from './webhook/webhook-settings';

/** The settings of every kind, for whoever stores channels. To add a kind, add it here and in the registry below. */
export const channelSettings = {
  email: emailSettings,
  webhook: webhookSettings,
  terminal: terminalSettings,
} as const satisfies Record<ChannelKindName, z.ZodType>;

/** What the kinds need of the installation; see the options of each. */
export interface ChannelEnvironment {
  readonly publicBaseUrl: string;
  readonly smtpUrl: string | null;
  readonly mailFrom: string;
  readonly allowPrivateWebhookTargets: boolean;
  readonly terminal: TerminalStream;
  /** Epoch ms. */
  readonly now: () => number;
}

/** A message to be sent once: to whom and about what. `settings` is as stored and is parsed before use. */
export interface Dispatch {
  readonly kind: string;
  readonly settings: unknown;
  readonly secret: string | null;
  readonly facts: IncidentFacts;
  readonly idempotencyKey: string;
  readonly signal?: AbortSignal;
}

/** All kinds of channels of this installation behind one door. */
export interface ChannelRegistry {
  /** The kind of this name, or null: rows may hold kinds that this version does not know. */
  find(kind: string): ChannelKind | null;
  /** Parses the settings, renders and makes one attempt. Never throws: a channel that is broken harms itself alone. */
  send(dispatch: Dispatch): Promise<SendOutcome>;
  /** The longest that any attempt takes, in ms. */
  readonly longestSendMs: number;
  close(): Promise<void>;
}

export function createChannelRegistry(environment: ChannelEnvironment): ChannelRegistry {
  return registryOf([
    createEmailChannel({
      smtpUrl: environment.smtpUrl,
      from: environment.mailFrom,
      publicBaseUrl: environment.publicBaseUrl,
    }),
    createWebhookChannel({
      allowPrivateTargets: environment.allowPrivateWebhookTargets,
      now: environment.now,
    }),
    createTerminalChannel(environment.terminal),
  ]);
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- kinds of unlike settings; `send` parses before use
export function registryOf(kinds: readonly ChannelKind<any, any>[]): ChannelRegistry {
  const byName = new Map<string, ChannelKind>(kinds.map((kind) => [kind.name, kind]));
  return {
    find: (kind) => byName.get(kind) ?? null,
    send: (dispatch) => dispatchTo(byName.get(dispatch.kind), dispatch),
    longestSendMs: Math.max(...kinds.map((kind) => kind.sendLimitMs)),
    close: async () => {
      await Promise.all(kinds.map((kind) => kind.close()));
    },
  };
}

async function dispatchTo(kind: ChannelKind | undefined, dispatch: Dispatch): Promise<SendOutcome> {
  if (!kind) return permanent(`this version knows no such kind of channel (it knows ${channelKindNames.join(', ')})`);
  const parsed = kind.settings.safeParse(dispatch.settings);
  if (!parsed.success) {
    const where = parsed.error.issues.map((issue) => issue.path.join('.') || '(root)').join(', ');
    return permanent(`the channel's settings do not fit its kind at: ${where}`, 'settings');
  }
  try {
    return await kind.send(kind.render(dispatch.facts), {
      settings: parsed.data,
      secret: dispatch.secret,
      idempotencyKey: dispatch.idempotencyKey,
      ...(dispatch.signal ? { signal: dispatch.signal } : {}),
    });
  } catch (error) {
    // Not the message: it may hold what was being sent.
    return retryable(`an error of our own (${error instanceof Error ? error.name : 'unknown'})`);
  }
}
