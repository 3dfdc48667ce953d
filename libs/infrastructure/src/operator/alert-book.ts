import type { Finding, OperatorCondition, OperatorEvent, StandingCondition } from '@flatline/service-kernel';

/** What an operator is told. */
export interface AlertNotice {
  /**
   * `raised`: it has stood for too long. `still`: it goes on, told once an hour. `over`: it has ended. `happened`: an
   * event, which has no end.
   */
  readonly status: 'raised' | 'still' | 'over' | 'happened';
  readonly condition: OperatorCondition;
  readonly sentence: string;
  /** Epoch ms. */
  readonly sinceAt: number;
  /** Epoch ms, of what is over. */
  readonly endedAt: number | null;
  /**
   * The same for every process that tells of the same condition which began in the same minute, and over restarts where
   * the beginning can be told from facts.
   */
  readonly idempotencyKey: string;
}

/** How long a condition stands, in s, before an operator hears of it. Shorter where nothing passes by itself. */
const RAISED_AFTER_SECONDS: Readonly<Record<StandingCondition, number>> = {
  watermark_stalled: 55, // it is found when it lags 5 s
  outbox_stuck: 55, // likewise
  deliveries_overdue: 30, // it is found when they are 30 s late
  consumer_stopped: 20, // it is found after 10 to 30 s, and the process ends itself after 60 s
  position_lost: 10,
  disk_full: 10,
  database_away: 60,
  event_log_away: 60,
  timers_away: 60,
  pings_refused: 60,
  unreachable: 30, // it is found after half a lease
  clock_skewed: 60,
  not_ready: 60,
};

/** What follows from another condition that holds is not told beside it, nor does its time run meanwhile. */
const EXPLAINED_BY: Partial<Readonly<Record<StandingCondition, readonly StandingCondition[]>>> = {
  event_log_away: ['database_away'], // the log is in Postgres then; with a log in Kafka both are told by other processes
  consumer_stopped: ['database_away', 'event_log_away'],
  watermark_stalled: ['database_away', 'event_log_away', 'position_lost'],
  outbox_stuck: ['database_away', 'event_log_away'],
  deliveries_overdue: ['database_away', 'consumer_stopped'],
  timers_away: ['database_away'],
  pings_refused: ['event_log_away', 'clock_skewed'],
  not_ready: ['database_away', 'event_log_away'],
};

/** A finding that comes and goes within this is one that stands. */
const FORGOTTEN_AFTER_MS = 15_000;
/** An alert is over when its condition has not been seen for this long. */
const OVER_AFTER_MS = 60_000;
const HOUR_MS = 3_600_000;
const SENTENCE_MAX_LENGTH = 600;

interface Standing {
  readonly firstSeenAt: number;
  lastSeenAt: number;
  /** Epoch ms. */
  readonly sinceAt: number;
  sentence: string;
  /** Epoch ms at the latest look that found it. */
  seenAt: number;
  /** Monotonic; null until it is told. */
  toldAt: number | null;
  timesTold: number;
}

interface Happened {
  readonly toldAt: number;
  /** Of those that came since. */
  readonly sentences: string[];
  count: number;
}

/**
 * Decides what an operator is told: what stands for its time is raised once, told again every hour, and its end is told
 * once. What flickers is one alert. Events are told at once, further ones of the kind together, an hour later. Pure but
 * for its memory, which holds one entry for each condition.
 */
export class AlertBook {
  private readonly standing = new Map<StandingCondition, Standing>();
  private readonly happened = new Map<OperatorEvent, Happened>();

  /** The conditions that were told and are not over, and the events of the last hour. */
  get open(): OperatorCondition[] {
    const told = [...this.standing].filter(([, { toldAt }]) => toldAt !== null).map(([condition]) => condition);
    return [...told, ...this.happened.keys()];
  }

  /** @param now epoch ms @param monotonic ms */
  note(
    findings: readonly Finding<StandingCondition>[],
    events: readonly Finding<OperatorEvent>[],
    { now, monotonic }: { readonly now: number; readonly monotonic: number },
  ): AlertNotice[] {
    this.see(findings, now, monotonic);
    return [
      ...[...this.standing].flatMap(([condition, entry]) => this.judge(condition, entry, monotonic)),
      ...this.noteEvents(events, now, monotonic),
    ];
  }

  private see(findings: readonly Finding<StandingCondition>[], now: number, monotonic: number): void {
    const found = new Set(findings.map(({ condition }) => condition));
    for (const condition of found) {
      const known = this.standing.get(condition);
      const isExplained = EXPLAINED_BY[condition]?.some((cause) => found.has(cause)) ?? false;
      if (isExplained && known?.toldAt == null) continue;
      const ofIt = findings.filter((finding) => finding.condition === condition);
      const sentence = sentenceOf(ofIt.map((finding) => finding.sentence));
      if (known) Object.assign(known, { sentence, lastSeenAt: monotonic, seenAt: now });
      else {
        const sinceAt = Math.min(...ofIt.map((finding) => finding.sinceAt ?? now));
        const seen = { firstSeenAt: monotonic, lastSeenAt: monotonic, seenAt: now };
        this.standing.set(condition, { ...seen, sinceAt, sentence, toldAt: null, timesTold: 0 });
      }
    }
  }

  private judge(condition: StandingCondition, entry: Standing, monotonic: number): AlertNotice[] {
    const unseenMs = monotonic - entry.lastSeenAt;
    if (entry.toldAt === null) {
      if (unseenMs >= FORGOTTEN_AFTER_MS) this.standing.delete(condition);
      else if (unseenMs === 0 && monotonic - entry.firstSeenAt >= RAISED_AFTER_SECONDS[condition] * 1_000) {
        return [this.tell(condition, entry, 'raised', monotonic)];
      }
      return [];
    }
    if (unseenMs >= OVER_AFTER_MS) {
      this.standing.delete(condition);
      return [this.tell(condition, entry, 'over', monotonic)];
    }
    return monotonic - entry.toldAt >= HOUR_MS ? [this.tell(condition, entry, 'still', monotonic)] : [];
  }

  private tell(
    condition: StandingCondition,
    entry: Standing,
    status: 'raised' | 'still' | 'over',
    monotonic: number,
  ): AlertNotice {
    entry.toldAt = monotonic;
    entry.timesTold += 1;
    const { sentence, sinceAt } = entry;
    const which = status === 'still' ? `still${entry.timesTold - 1}` : status;
    return {
      ...{ status, condition, sentence, sinceAt },
      endedAt: status === 'over' ? entry.seenAt : null,
      idempotencyKey: keyOf(condition, sinceAt, which),
    };
  }

  private noteEvents(events: readonly Finding<OperatorEvent>[], now: number, monotonic: number): AlertNotice[] {
    for (const { condition, sentence } of events) {
      const known = this.happened.get(condition);
      if (!known) this.happened.set(condition, { toldAt: -Infinity, sentences: [sentence], count: 1 });
      else {
        known.count += 1;
        known.sentences.push(sentence);
        if (known.sentences.length > 2) known.sentences.splice(1, 1); // the first and the latest
      }
    }
    return [...this.happened].flatMap(([condition, { toldAt, sentences, count }]) => {
      if (monotonic - toldAt < HOUR_MS) return [];
      this.happened.delete(condition);
      if (count === 0) return [];
      this.happened.set(condition, { toldAt: monotonic, sentences: [], count: 0 });
      const status = 'happened' as const;
      const idempotencyKey = keyOf(condition, now, status);
      return [{ status, condition, sentence: sentenceOf(sentences), sinceAt: now, endedAt: null, idempotencyKey }];
    });
  }
}

function keyOf(condition: OperatorCondition, sinceAt: number, which: string): string {
  return `operator-${condition}-${Math.floor(sinceAt / 60_000)}-${which}`;
}

function sentenceOf(sentences: readonly string[]): string {
  const joined = [...new Set(sentences)].join('; ');
  return joined.length <= SENTENCE_MAX_LENGTH ? joined : `${joined.slice(0, SENTENCE_MAX_LENGTH - 1)}…`;
}
