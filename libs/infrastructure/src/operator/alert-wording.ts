import { formatDuration, formatInstant } from '@flatline/channels';
import type { OperatorCondition } from '@flatline/service-kernel';
import type { AlertNotice } from './alert-book';

/** What an operator who was woken by it needs to know of a condition. */
interface Wording {
  /** What is wrong, in a few words: a subject line. */
  readonly title: string;
  /** What it means for jobs and for the people who wait for alerts. */
  readonly meaning: string;
  /** What to do first. */
  readonly firstStep: string;
  /** A file of docs/runbooks, with a section where it has one of its own. */
  readonly runbook: string;
}

/** The one place that says what each condition is called, means, and asks for. */
export const WORDING: Readonly<Record<OperatorCondition, Wording>> = {
  watermark_stalled: {
    title: 'Deadlines are not being judged',
    meaning:
      'Pings may be taken as always, and none is lost. But nobody is told when a job stops, until this is mended. Then everything is judged in order and dated when it happened.',
    firstStep: 'See that an ingest and a deadline scheduler run and what their /readyz says.',
    runbook: 'watermark-stalled.md',
  },
  consumer_stopped: {
    title: 'A part of the event log is not being read',
    meaning:
      'Nothing is lost: what is not read waits in the log. But what follows from it does not happen: pings are not applied, changes do not take effect, or nobody is told of incidents.',
    firstStep:
      'Read the sentence above: it names the topic and the error. Look at that error in the log of the process.',
    runbook: 'consumer-stopped.md',
  },
  position_lost: {
    title: 'A reader has lost its place in the event log',
    meaning:
      'The log does not hold what was to be read next, so this partition stands still: its pings are not applied and its deadlines not judged. Nothing is skipped until you decide.',
    firstStep:
      'Find out what happened to the log: retention, a restore, another cluster. If it cannot come back, let its readers go on in this one with node dist/apps/adopt-log/main.js, which first only shows what it would do.',
    runbook: 'watermark-stalled.md#the-position-lies-outside-the-log',
  },
  outbox_stuck: {
    title: 'Events are not being published',
    meaning:
      'What has happened is written down safely, but it does not reach the event log: nobody is told of incidents, and changed heartbeats take effect late.',
    firstStep: 'See that the event log answers and that a deadline scheduler or a management API runs.',
    runbook: 'outbox-stuck.md',
  },
  deliveries_overdue: {
    title: 'Messages to people are late',
    meaning: 'Jobs are watched as always, but people do not hear of it: messages are due and nobody delivers them.',
    firstStep: 'See that a notifier runs, and what its /readyz and its log say.',
    runbook: 'deliveries-overdue.md',
  },
  disk_full: {
    title: 'The disk is full, or nearly',
    meaning:
      'When it is full, pings are answered 503 and nothing is judged. Nothing that was acknowledged is lost, and it goes on when there is room.',
    firstStep: 'Make room on that disk, outside of the data directory.',
    runbook: 'disk-full.md',
  },
  database_away: {
    title: 'Postgres is away',
    meaning:
      'Nothing is judged and nobody is told anything, the API answers 503, and so do ping URLs where the event log is in Postgres. What was acknowledged is safe.',
    firstStep: 'Bring Postgres back. Flatline reconnects by itself.',
    runbook: 'postgres-away.md',
  },
  event_log_away: {
    title: 'The event log is away',
    meaning:
      'Pings are answered 503 and jobs have to try again; nothing is judged. What was acknowledged is safe, and the time counts for no job as a miss.',
    firstStep: 'Bring Kafka back, or Postgres where the log is there. Flatline reconnects by itself.',
    runbook: 'kafka-away.md',
  },
  timers_away: {
    title: 'The timers are away',
    meaning: 'Alerts still come. The sweep finds what the timers would have, some seconds later.',
    firstStep: 'Bring Redis back, or Postgres where the timers are there, and see what the sentence asks for.',
    runbook: 'redis-lost.md',
  },
  timers_lost: {
    title: 'The timers were lost and are armed anew',
    meaning: 'No alert is lost; some came up to 30 s late. Nothing has to be done for this once.',
    firstStep: 'Find out why Redis came up empty: FLUSHALL, no append-only file, a new server.',
    runbook: 'redis-lost.md',
  },
  records_missing: {
    title: 'Acknowledged pings are gone',
    meaning:
      'The event log lost pings that were answered with 200. Jobs that pinged then may be told down though they ran. What is lost does not come back.',
    firstStep: 'Find out which server lost data (a disk, a failover, an unclean leader) before it happens again.',
    runbook: 'data-lost.md',
  },
  pings_refused: {
    title: 'Pings are being refused',
    meaning:
      'Jobs are answered with 503 by this process and have to try again. The time counts for no job as a miss, but a job that stops meanwhile is found later.',
    firstStep: 'See what /readyz of the ingests says, and whether the event log answers.',
    runbook: 'pings-refused.md',
  },
  unreachable: {
    title: 'Jobs cannot reach Flatline',
    meaning:
      'Calls through the public address do not come back to an ingest, so pings do not either. The time counts for no job as a miss; a job that stops meanwhile is found later.',
    firstStep: 'Look at what stands between jobs and ingests: gateway, proxy, certificate, DNS. Or mend CANARY_URL.',
    runbook: 'blackout.md#jobs-cannot-reach-flatline',
  },
  clock_skewed: {
    title: 'A clock is wrong',
    meaning: 'Deadlines could be judged too early or too late, so this process stands aside until its clock is right.',
    firstStep: 'Set the clock of this machine right and see that something keeps it so.',
    runbook: 'clock-wrong.md',
  },
  not_ready: {
    title: 'A process is not ready',
    meaning: 'It does not do its work, or only part of it. Others may do it instead, where there are any.',
    firstStep: 'Look the sentence up under "Is it well?" in docs/operations.md.',
    runbook: 'README.md',
  },
};

/** Where the runbook of a condition lies, in the repository. */
export const runbookOf = (condition: OperatorCondition): string => `docs/runbooks/${WORDING[condition].runbook}`;

/** One line that says it all: for the log and for the subject of a mail. */
export function headline({ status, condition, sinceAt, endedAt }: AlertNotice): string {
  const { title } = WORDING[condition];
  if (status === 'over') return `Over: ${title} (for ${formatDuration((endedAt ?? sinceAt) - sinceAt)})`;
  return status === 'still' ? `Still: ${title}` : title;
}

/** The body of a mail. `teller` is the process that tells it. */
export function mailText(notice: AlertNotice, teller: string): string {
  const { title, meaning, firstStep } = WORDING[notice.condition];
  const isOver = notice.status === 'over';
  const facts = [
    [isOver ? 'It was' : 'Found', notice.sentence],
    [notice.status === 'happened' ? 'Noticed' : 'Since', formatInstant(notice.sinceAt)],
    ...(notice.endedAt === null ? [] : [['Until', formatInstant(notice.endedAt)]]),
    ['Told by', teller],
    ['Runbook', runbookOf(notice.condition)],
  ];
  return [
    isOver ? `This is over: ${title.toLowerCase()}.` : `${title}.`,
    ...(isOver ? [] : ['', meaning, '', `First: ${firstStep}`]),
    '',
    ...facts.map(([label, value]) => `${`${label}:`.padEnd(9)} ${value}`),
    '',
    '-- ',
    'Flatline, about itself. This message needed neither Kafka, Redis nor Postgres.',
    ...(isOver || notice.status === 'happened' ? [] : ['It comes again every hour, and once more when it is over.']),
    '',
  ].join('\n');
}

/** The body of a webhook; instants are RFC 3339 in UTC. */
export function webhookBody(notice: AlertNotice, teller: string): string {
  const { condition, status, sentence, sinceAt, endedAt } = notice;
  const { title, meaning, firstStep } = WORDING[condition];
  return JSON.stringify({
    type: 'operator.alert',
    timestamp: new Date(endedAt ?? sinceAt).toISOString(),
    data: {
      ...{ condition, status, title, found: sentence, meaning },
      first_step: firstStep,
      runbook: runbookOf(condition),
      since: new Date(sinceAt).toISOString(),
      until: endedAt === null ? null : new Date(endedAt).toISOString(),
      told_by: teller,
    },
  });
}
