import { hostname } from 'node:os';
import * as path from 'node:path';
import { type Kernel, operatorConditions } from '@flatline/service-kernel';
import { AlertBook, type AlertNotice } from './alert-book';
import { OperatorMetrics } from './operator-metrics';
import { AlertPost } from './alert-post';
import { alertTargets } from './alert-targets';
import { headline, runbookOf } from './alert-wording';
import { DiskWatch } from './disk-watch';

const LOOK_EVERY_MS = 5_000;

/**
 * Tells the operator what is wrong with this process and, where it looks after that, with the installation: as a line in
 * the log, and to whom the configuration names. Needs no server of Flatline's own, blocks nothing, and asks no more than
 * the health registry of the process.
 */
export class OperatorWatch {
  private readonly book = new AlertBook();
  private looking: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly parts: Pick<Kernel, 'clock' | 'health' | 'logger'>,
    private readonly post: Pick<AlertPost, 'post' | 'close'>,
  ) {}

  start(everyMs = LOOK_EVERY_MS): void {
    this.timer = setInterval(() => void this.look(), everyMs);
  }

  /** Tells what happened last, and looks no more. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
    this.tell([]);
    await this.post.close();
  }

  /** For metrics. */
  isOpen(condition: (typeof operatorConditions)[number]): boolean {
    return this.book.open.includes(condition);
  }

  /** Looks now; a call meanwhile joins it. Never rejects. */
  look(): Promise<void> {
    this.looking ??= this.parts.health
      .findings()
      .then((findings) => this.tell(findings))
      .catch((error: unknown) => this.parts.logger.error({ err: error }, 'the operator could not be told'))
      .finally(() => (this.looking = null));
    return this.looking;
  }

  private tell(findings: Parameters<AlertBook['note']>[0]): void {
    const { clock, health } = this.parts;
    const at = { now: clock.now(), monotonic: clock.monotonic() };
    for (const notice of this.book.note(findings, health.takeEvents(), at)) {
      this.log(notice);
      this.post.post(notice);
    }
  }

  private log(notice: AlertNotice): void {
    const { condition, status, sentence, sinceAt } = notice;
    const fields = { condition, since: new Date(sinceAt).toISOString(), runbook: runbookOf(condition) };
    const message = `operator alert: ${headline(notice)}: ${sentence}`;
    if (status === 'over') this.parts.logger.warn(fields, message);
    else this.parts.logger.error(fields, message);
  }
}

/**
 * Begins to watch this process. From the first moment on, so that a server that is away at the start is told too.
 *
 * @param name of the process
 * @param watchesDisk whether it looks at the disk of FLATLINE_DATA_DIR
 * @throws ConfigError when there are addresses and no mail server
 */
export function startOperatorWatch(
  kernel: Kernel,
  name: string,
  { watchesDisk }: { watchesDisk: boolean },
): OperatorWatch {
  const { config, clock, health, logger, metrics, shutdown } = kernel;
  const post = new AlertPost(alertTargets(config, clock, `${name} on ${hostname()}`), logger);
  const watch = new OperatorWatch(kernel, post);
  new OperatorMetrics(metrics, (condition) => watch.isOpen(condition));
  if (watchesDisk) {
    const folder = path.resolve(config.FLATLINE_DATA_DIR);
    const disk = new DiskWatch({ folder, freeAlertMb: config.DISK_FREE_ALERT_MB });
    health.watch(() => disk.findings());
    disk.start();
    shutdown.on('servers', 'disk watch', () => disk.stop());
  }
  watch.start();
  shutdown.on('notice', 'operator alerts', () => watch.stop());
  return watch;
}
