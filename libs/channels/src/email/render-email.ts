import { displayText } from '../display-text';
import type { IncidentFacts } from '../incident-facts';
import {
  apology,
  awaySpan,
  cause,
  expectation,
  formatDuration,
  formatInstant,
  formatTime,
  outageMs,
  silenceMs,
  stateWord,
  summary,
} from '../incident-wording';
import { emailHtml } from './email-html';

/** A mail but for its envelope and its Message-ID. */
export interface EmailMessage {
  readonly subject: string;
  readonly text: string;
  /** Null: the text is all there is. */
  readonly html: string | null;
  /** Mails about one incident refer to this, so that mail programs show them together. */
  readonly threadId: string;
}

/** What both forms of the mail say, in the order in which it is read. */
export interface EmailContent {
  readonly isDown: boolean;
  /** `Down`, `Unverified` or `Up again`. */
  readonly word: string;
  /** The same with its verb, as it follows the name. */
  readonly verdict: string;
  readonly subject: string;
  readonly name: string;
  /** One or two sentences that say it all. */
  readonly lead: string;
  readonly facts: readonly { readonly label: string; readonly value: string }[];
  /** A command that shows more, in lines. */
  readonly command: readonly string[];
  readonly baseUrl: string;
  /** What the reader may still wait for; null: nothing. */
  readonly follows: string | null;
}

const SUBJECT_NAME_MAX_LENGTH = 100;
/** What the reader of a "down" may wait for: whoever pauses or deletes a heartbeat ends its incident without a word. */
const WHAT_FOLLOWS = 'There will be one more message when it is up again, unless it is paused or deleted before.';

/** Makes the mail about one end of an incident. `publicBaseUrl` is where the reader reaches this installation. */
export function renderEmail(facts: IncidentFacts, publicBaseUrl: string): EmailMessage & { readonly html: string } {
  const content = contentOf(facts, publicBaseUrl.replace(/\/+$/, ''));
  return {
    subject: content.subject,
    text: emailText(content),
    html: emailHtml(content),
    threadId: `incident-${facts.incident.id}`,
  };
}

function contentOf(facts: IncidentFacts, baseUrl: string): EmailContent {
  const isDown = facts.transition === 'down';
  const isUnverified = stateWord(facts) === 'unverified';
  const word = !isDown ? 'Up again' : isUnverified ? 'Unverified' : 'Down';
  return {
    isDown,
    word,
    verdict: !isDown ? 'is up again' : isUnverified ? 'could not be verified' : 'is down',
    subject: `${word}: ${displayText(facts.heartbeat.name, SUBJECT_NAME_MAX_LENGTH)} (${summary(facts)})`,
    name: displayText(facts.heartbeat.name),
    lead: isDown ? cause(facts) : (apology(facts) ?? recovery(facts)),
    facts: isDown ? downFacts(facts) : recoveryFacts(facts),
    command: [
      'curl -H "Authorization: Bearer $FLATLINE_API_KEY" \\',
      `${baseUrl}/v1/heartbeats/${facts.heartbeat.id}/incidents`,
    ],
    baseUrl,
    follows: isDown ? WHAT_FOLLOWS : null,
  };
}

function recovery(facts: IncidentFacts): string {
  return `A ping came at ${formatTime(facts.occurredAt)} UTC, after ${formatDuration(outageMs(facts))} ${stateWord(facts)}.`;
}

function downFacts(facts: IncidentFacts): EmailContent['facts'] {
  const away = awaySpan(facts);
  return [
    { label: `${capital(stateWord(facts))} since`, value: formatInstant(facts.incident.startedAt) },
    { label: 'Last ping', value: lastPing(facts) },
    ...(away === null ? [] : [{ label: 'Flatline away', value: away }]),
    { label: 'Expected', value: expectation(facts) },
    ...(facts.incident.misses > 0 ? [{ label: 'Missed', value: missed(facts.incident.misses) }] : []),
    ...identity(facts),
  ];
}

function recoveryFacts(facts: IncidentFacts): EmailContent['facts'] {
  return [
    { label: `${capital(stateWord(facts))} from`, value: formatInstant(facts.incident.startedAt) },
    { label: 'Up again at', value: formatInstant(facts.incident.endedAt ?? facts.occurredAt) },
    { label: `Was ${stateWord(facts)} for`, value: formatDuration(outageMs(facts)) },
    ...(facts.incident.misses > 0 ? [{ label: 'Missed', value: missed(facts.incident.misses) }] : []),
    { label: 'Expected', value: expectation(facts) },
    ...identity(facts),
  ];
}

function lastPing(facts: IncidentFacts): string {
  const silence = silenceMs(facts);
  if (facts.heartbeat.lastPingedAt === null || silence === null) return 'none so far';
  return `${formatInstant(facts.heartbeat.lastPingedAt)} (${formatDuration(silence)} earlier)`;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function missed(misses: number): string {
  return misses === 1 ? '1 ping' : `${misses} pings in a row`;
}

function identity({ heartbeat, incident }: IncidentFacts): EmailContent['facts'] {
  return [
    { label: 'Heartbeat', value: heartbeat.id },
    { label: 'Incident', value: incident.id },
  ];
}

function emailText({ verdict, name, lead, facts, command, baseUrl, follows }: EmailContent): string {
  const width = Math.max(...facts.map(({ label }) => label.length)) + 2;
  return [
    `${name} ${verdict}.`,
    lead,
    '',
    ...facts.map(({ label, value }) => `${`${label}:`.padEnd(width)} ${value}`),
    '',
    'To see more:',
    '',
    ...command.map((line) => `  ${line}`),
    '',
    '-- ',
    `Flatline at ${baseUrl}`,
    ...(follows === null ? [] : [follows]),
    '',
  ].join('\n');
}
