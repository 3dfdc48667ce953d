import type { Finding, OperatorEvent, StandingCondition } from './operator-condition';

/** What a component that is not ready lacks, in a sentence for an operator. */
export interface Missing {
  readonly component: string;
  readonly missing: string;
}

/** Null when ready, otherwise a sentence that says what is missing. */
export type ReadinessProbe = () => string | null | Promise<string | null>;

/** Conditions that hold now; those of which readiness says nothing, and those that are about more than this process. */
export type FindingSource = () => readonly Finding<StandingCondition>[];

interface Component {
  readonly probe: ReadinessProbe;
  readonly condition: StandingCondition;
}

/** Events of one kind are told together: the sentences of the first few, and how many there were. */
const SENTENCES_KEPT = 5;

/**
 * Collects what readiness depends on, and what else the operator of this process must hear of. A process is ready when
 * no probe has anything to say.
 */
export class HealthRegistry {
  private readonly components = new Map<string, Component>();
  private readonly sources: FindingSource[] = [];
  private readonly events = new Map<OperatorEvent, string[]>();

  /** `probeTimeoutMs`: a probe that takes longer counts as not ready; nothing waits for it. */
  constructor(private readonly probeTimeoutMs = 2_000) {}

  /**
   * Adds a component. Throws when the name is taken: one would hide the other.
   *
   * @param condition what an operator is told when the component stays not ready
   */
  register(component: string, probe: ReadinessProbe, condition: StandingCondition = 'not_ready'): void {
    if (this.components.has(component)) throw new Error(`The readiness of ${component} is already registered`);
    this.components.set(component, { probe, condition });
  }

  /** Adds findings that are no lack of readiness. They are asked for every few seconds. */
  watch(source: FindingSource): void {
    this.sources.push(source);
  }

  /** Something has happened that an operator must hear of. */
  happened(event: OperatorEvent, sentence: string): void {
    const sentences = this.events.get(event) ?? [];
    if (sentences.length < SENTENCES_KEPT) sentences.push(sentence);
    this.events.set(event, sentences);
  }

  /** Asks every probe at the same time; empty when all are ready. Never throws. */
  async check(): Promise<Missing[]> {
    return (await this.ask()).map(({ component, missing }) => ({ component, missing }));
  }

  /** The conditions that hold now. Never throws. */
  async findings(): Promise<Finding<StandingCondition>[]> {
    const missing = (await this.ask()).map(({ component, condition, missing: sentence }) => ({
      condition,
      sentence: `${component}: ${sentence}`,
    }));
    return [...missing, ...this.sources.flatMap((source) => source())];
  }

  /** What has happened since this was called last. */
  takeEvents(): Finding<OperatorEvent>[] {
    const events = [...this.events].map(([condition, sentences]) => ({ condition, sentence: sentences.join('; ') }));
    this.events.clear();
    return events;
  }

  private async ask(): Promise<(Missing & { readonly condition: StandingCondition })[]> {
    const answers = await Promise.all(
      [...this.components].map(async ([component, { probe, condition }]) => {
        const missing = await this.answerOf(probe);
        return missing === null ? [] : [{ component, condition, missing }];
      }),
    );
    return answers.flat();
  }

  private async answerOf(probe: ReadinessProbe): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, this.probeTimeoutMs, `did not answer within ${this.probeTimeoutMs} ms`);
    });
    try {
      // What a probe throws may hold addresses or credentials; its text is for the log, not for whoever asks here.
      const answer = Promise.resolve()
        .then(probe)
        .catch(() => 'could not be checked');
      return await Promise.race([answer, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }
}
