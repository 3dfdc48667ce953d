import type { ToldIncident } from '../journal/entries';
import type { Mailbox } from './check-messages';
import type { Truth } from './truth';
import { clock, type Violation } from './verdict';

export interface EndingRules {
  readonly skewMs: number;
  /** What happened after this may not be told yet. */
  readonly settledUntil: number;
  readonly isClosedByPause: (incident: ToldIncident) => boolean;
}

/** Whether incidents ended when the job came back, and only then; and whether everybody has heard the last word. */
export function checkEndings(
  truth: Truth,
  incidents: readonly ToldIncident[],
  mailboxes: readonly Mailbox[],
  rules: EndingRules,
): Violation[] {
  return incidents
    .filter(({ startedAt }) => startedAt < rules.settledUntil)
    .flatMap((incident) => [
      ...endedRightly(truth, incident, rules),
      ...mailboxes.flatMap((mailbox) => heardOf(truth, incident, mailbox, rules)),
    ]);
}

function endedRightly({ job, proofs, doubts }: Truth, incident: ToldIncident, rules: EndingRules): Violation[] {
  const { endedAt, startedAt, id } = incident;
  const { skewMs, settledUntil } = rules;
  const wrong = (what: string): Violation[] => [{ kind: 'order', id: job.id, what }];
  if (endedAt === null) {
    const sign = proofs.find(({ from, to }) => from > startedAt + skewMs && to < settledUntil);
    return sign ? wrong(`${id} is still open, although the job came back at ${clock(sign.from)}`) : [];
  }
  if (incident.isRaisedInError || rules.isClosedByPause(incident)) return [];
  const signs = [...proofs, ...doubts];
  if (signs.some(({ from, to }) => from - skewMs <= endedAt && endedAt <= to + skewMs)) return [];
  return wrong(`${id} ended at ${clock(endedAt)} without a sign of life`);
}

function heardOf({ job }: Truth, incident: ToldIncident, mailbox: Mailbox, rules: EndingRules): Violation[] {
  const has = (transition: string): boolean =>
    mailbox.messages.some(
      (message) => message.incidentId === incident.id && message.transition === transition && message.isTaken,
    );
  const about = `${incident.id}, down at ${clock(incident.startedAt)}`;
  if (!has('down')) return [{ kind: 'missed', id: job.id, what: `${mailbox.receiver} was never told of ${about}` }];
  const { endedAt } = incident;
  if (endedAt === null) {
    if (!has('recovered')) return [];
    return [{ kind: 'order', id: job.id, what: `${mailbox.receiver} was told that ${about}, recovered; it is open` }];
  }
  if (has('recovered') || rules.isClosedByPause(incident) || endedAt >= rules.settledUntil) return [];
  return [{ kind: 'order', id: job.id, what: `${mailbox.receiver} was never told that ${about}, recovered` }];
}
