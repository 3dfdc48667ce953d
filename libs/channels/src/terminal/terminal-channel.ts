import { z } from 'zod';
import type { ChannelKind } from '../channel-kind';
import { displayText } from '../display-text';
import type { IncidentFacts } from '../incident-facts';
import { apology, cause, formatDuration, outageMs, stateWord } from '../incident-wording';
import { delivered, retryable } from '../send-outcome';
import type { SendOutcome } from '../send-outcome';

/** Where lines go; `process.stdout` fits. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  write(text: string, done: (error?: Error | null) => void): unknown;
}

/** One line in three parts; the middle one is coloured where somebody looks at it. */
export interface TerminalMessage {
  readonly before: string;
  readonly word: 'DOWN' | 'UNVERIFIED' | 'UP AGAIN';
  readonly after: string;
}

export const terminalSettings = z.object({});

const RED = '\u001b[1;31m';
const GREEN = '\u001b[1;32m';
const PLAIN = '\u001b[0m';
const SEND_LIMIT_MS = 2_000;

/**
 * A line on standard output per transition: what people are told with when a project has no other channel, so that the
 * first alert is seen within the first minutes of use.
 */
export function createTerminalChannel(stream: TerminalStream): ChannelKind<object, TerminalMessage> {
  return {
    name: 'terminal',
    settings: terminalSettings,
    missing: null,
    sendLimitMs: SEND_LIMIT_MS,
    concurrency: { limit: 1, isShared: true },
    render: renderTerminal,
    send: (message) => print(stream, message),
    close: () => Promise.resolve(),
  };
}

export function renderTerminal(facts: IncidentFacts): TerminalMessage {
  const at = new Date(facts.occurredAt).toISOString();
  const isDown = facts.transition === 'down';
  const outage = `It was ${stateWord(facts)} for ${formatDuration(outageMs(facts))}.`;
  const told = isDown ? cause(facts) : (apology(facts) ?? outage);
  return {
    before: `${at}  `,
    word: !isDown ? 'UP AGAIN' : stateWord(facts) === 'unverified' ? 'UNVERIFIED' : 'DOWN',
    after: `  ${displayText(facts.heartbeat.name)}  ${told} (heartbeat ${facts.heartbeat.id})\n`,
  };
}

function print(stream: TerminalStream, { before, word, after }: TerminalMessage): Promise<SendOutcome> {
  const colour = word === 'UP AGAIN' ? GREEN : RED;
  const line = before + (stream.isTTY ? `${colour}${word}${PLAIN}` : word) + after;
  return new Promise((resolve) => {
    // A terminal that is paused (Ctrl-S) takes the line later; it is in the buffer and not lost while we live.
    const timer = setTimeout(() => resolve(delivered('left in the output buffer')), SEND_LIMIT_MS);
    stream.write(line, (error) => {
      clearTimeout(timer);
      resolve(error ? retryable('standard output cannot be written') : delivered('printed'));
    });
  });
}
