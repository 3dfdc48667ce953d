import type { z } from 'zod';
import type { IncidentFacts } from './incident-facts';
import type { SendOutcome } from './send-outcome';

/** The word for a kind of channel in the API, the database and every metric. */
export const channelKindNames = ['email', 'webhook', 'terminal'] as const;
export type ChannelKindName = (typeof channelKindNames)[number];

/** How many attempts may usefully run at the same time. */
export interface ChannelConcurrency {
  readonly limit: number;
  /** Whether the limit is for all channels of the kind together, because one thing serves them all, or for each. */
  readonly isShared: boolean;
}

export interface SendTarget<Settings> {
  readonly settings: Settings;
  /** The signing secret of the channel; null for kinds that sign nothing. */
  readonly secret: string | null;
  /** The same over every retry and crash; the receiver may drop what it has seen before. At most 64 URL-safe letters. */
  readonly idempotencyKey: string;
  /** Gives up early; the attempt then ends as retryable. */
  readonly signal?: AbortSignal;
}

/**
 * One way to tell people. A folder of this library holds each kind: the schema of its settings, `render` and `send`.
 *
 * Every kind passes the suite in `channel-kind.contract-suite.ts`.
 */
export interface ChannelKind<Settings = unknown, Message = unknown> {
  readonly name: ChannelKindName;
  readonly settings: z.ZodType<Settings>;
  /** What this installation lacks to use the kind, as a sentence, or null. */
  readonly missing: string | null;
  /** No attempt takes longer, in ms. Whoever claims a delivery may count on it. */
  readonly sendLimitMs: number;
  readonly concurrency: ChannelConcurrency;
  /** Pure: the same facts give the same message, whenever and wherever it is rendered. */
  render(facts: IncidentFacts): Message;
  /** Makes one attempt and never throws for what the network or the other side does. */
  send(message: Message, target: SendTarget<Settings>): Promise<SendOutcome>;
  /** Closes kept connections. */
  close(): Promise<void>;
}
