import {
  type ReceivedRequest,
  startWebhookReceiver,
  type WebhookAnswer,
  type WebhookReceiver,
} from '@flatline/test-kit';
import type { GarbledEntry, MessageEntry, Receiver } from '../journal/entries';
import type { JournalWriter } from '../journal/journal-file';
import { type Random } from '../random';

const PATH = '/flatline';
/** Of what a flaky receiver is sent, it takes the rest. */
const REFUSED_SHARE = 0.3;
const REFUSALS: readonly WebhookAnswer[] = [
  { status: 500 },
  { status: 503, headers: { 'retry-after': '1' } },
  { status: 429, headers: { 'retry-after': '2' } },
  { failure: 'cut' },
];
/** Each makes the sender wait until it gives up; more of them and a receiver would be too slow for what it is told. */
const HANGING_SHARE = 0.01;
/** Taken, but the sender waits for it. */
const SLOW_SHARE = 0.03;
const SLOW_MS = 2_000;

/** A webhook receiver that writes down whatever comes. */
export interface NotingReceiver extends Receiver {
  readonly url: string;
  /** The last it took about a heartbeat was "down". */
  isDown(id: string): boolean;
  /** From now on it takes everything. */
  calm(): void;
  stop(): Promise<void>;
}

/** @param random what a flaky one goes by; null for one that takes everything */
export async function startReceiver(
  name: string,
  journal: JournalWriter,
  random: Random | null,
): Promise<NotingReceiver> {
  const receiver: WebhookReceiver = await startWebhookReceiver();
  const down = new Set<string>();
  let isCalm = random === null;
  receiver.answerWith((request) => {
    if (request.path !== PATH) return { status: 404 }; // somebody else's, on a port that was theirs once
    const answer = isCalm || random === null ? {} : flakyAnswer(random);
    const message = messageOf(name, request, answer);
    journal.write(message);
    if (message.type === 'garbled') return answer;
    if (message.isTaken && message.transition === 'down') down.add(message.id);
    else if (message.isTaken) down.delete(message.id);
    return answer;
  });
  return {
    name,
    isFlaky: random !== null,
    url: `${receiver.url}${PATH}`,
    isDown: (id) => down.has(id),
    calm: () => {
      isCalm = true;
    },
    stop: () => receiver.stop(),
  };
}

function flakyAnswer(random: Random): WebhookAnswer {
  if (random.chance(HANGING_SHARE)) return { failure: 'hang' };
  if (random.chance(REFUSED_SHARE)) return random.pick(REFUSALS);
  return random.chance(SLOW_SHARE) ? { delayMs: SLOW_MS } : {};
}

interface Body {
  readonly type: string;
  readonly data: {
    readonly heartbeat: { readonly id: string };
    readonly incident: { readonly id: string; readonly reason: string };
  };
}

function messageOf(receiver: string, request: ReceivedRequest, answer: WebhookAnswer): MessageEntry | GarbledEntry {
  const body = bodyOf(request.body);
  if (body === null) {
    const what = `${request.method} with ${request.body.length} characters`;
    return { type: 'garbled', receiver, at: request.receivedAt, what };
  }
  const { type, data } = body;
  return {
    ...{ type: 'message', receiver, at: request.receivedAt },
    key: String(request.headers['webhook-id']),
    transition: type === 'heartbeat.down' ? 'down' : 'recovered',
    id: data.heartbeat.id,
    incidentId: data.incident.id,
    reason: data.incident.reason,
    isTaken: answer.failure === undefined && (answer.status ?? 204) < 300,
  };
}

function bodyOf(text: string): Body | null {
  try {
    return JSON.parse(text) as Body;
  } catch {
    return null;
  }
}
