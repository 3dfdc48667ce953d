/** What a component that is not ready lacks, in a sentence for an operator. */
export interface Missing {
  readonly component: string;
  readonly missing: string;
}

/** Null when ready, otherwise a sentence that says what is missing. */
export type ReadinessProbe = () => string | null | Promise<string | null>;

/** Collects what readiness depends on. A process is ready when no probe has anything to say. */
export class HealthRegistry {
  private readonly probes = new Map<string, ReadinessProbe>();

  /** `probeTimeoutMs`: a probe that takes longer counts as not ready; nothing waits for it. */
  constructor(private readonly probeTimeoutMs = 2_000) {}

  /** Adds a component. Throws when the name is taken: one would hide the other. */
  register(component: string, probe: ReadinessProbe): void {
    if (this.probes.has(component)) throw new Error(`The readiness of ${component} is already registered`);
    this.probes.set(component, probe);
  }

  /** Asks every probe at the same time; empty when all are ready. Never throws. */
  async check(): Promise<Missing[]> {
    const answers = await Promise.all(
      [...this.probes].map(async ([component, probe]) => ({ component, missing: await this.ask(probe) })),
    );
    return answers.filter((answer): answer is Missing => answer.missing !== null);
  }

  private async ask(probe: ReadinessProbe): Promise<string | null> {
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
