import type { Logger } from '@flatline/service-kernel';
import { Pool } from 'undici';

/** A process of ours on a network of ours takes a connection at once or not at all. */
const CONNECT_TIMEOUT_MS = 1_000;
/** Longest silence in the middle of an answer. */
const SILENCE_LIMIT_MS = 60_000;
const PROBE_TIMEOUT_MS = 2_000;

/**
 * One process the gateway sends to, with its connections. Whether it is ready is what it said last when it was asked;
 * a failure says the opposite at once, and the next question, soon, sets it right.
 */
export class Upstream {
  readonly pool: Pool;
  /** Requests that it has not answered to the end. */
  inFlight = 0;
  private lacking: string | null = 'not asked yet';
  private isBeingAsked = false;

  constructor(
    readonly origin: string,
    private readonly logger: Logger,
  ) {
    // As many connections as requests: a process that hangs must not make the others' requests wait for it. How long an
    // answer may take is for whoever forwards to say.
    this.pool = new Pool(origin, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: SILENCE_LIMIT_MS,
      connect: { timeout: CONNECT_TIMEOUT_MS },
    });
  }

  get isReady(): boolean {
    return this.lacking === null;
  }

  /** What it lacks, in its own words if it had any; null when it is ready. */
  get missing(): string | null {
    return this.lacking;
  }

  /** It could not be reached, cut a connection or did not answer in time: others are preferred until it is asked again. */
  failed(how: string): void {
    if (this.lacking === null) this.logger.warn({ upstream: this.origin, how }, 'an upstream failed');
    this.lacking = how;
  }

  /** Asks for its readiness; never throws. One question at a time. */
  async probe(): Promise<void> {
    if (this.isBeingAsked) return;
    this.isBeingAsked = true;
    try {
      const { statusCode, body } = await this.pool.request({
        method: 'GET',
        path: '/readyz',
        signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      });
      const text = await body.text();
      if (statusCode === 200) this.becameReady();
      else this.failed(sentenceOf(text) ?? `answers ${statusCode}`);
    } catch {
      this.failed('cannot be reached');
    } finally {
      this.isBeingAsked = false;
    }
  }

  /** Lets what is under way end; nothing new is to be sent. */
  async close(): Promise<void> {
    await this.pool.close();
  }

  /** Cuts what is under way. */
  async destroy(): Promise<void> {
    await this.pool.destroy();
  }

  private becameReady(): void {
    if (this.lacking !== null) this.logger.info({ upstream: this.origin }, 'an upstream is ready');
    this.lacking = null;
  }
}

/** The services say what is missing in `error`. */
function sentenceOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}
