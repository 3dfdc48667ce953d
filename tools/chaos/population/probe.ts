import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalWriter } from '../journal/journal-file';
import type { Target } from './job';
import { pingOnce } from './ping-client';

const EVERY_MS = 500;
const TIMEOUT_MS = 2_000;

/** Pings one shard again and again without trying again, so that the journal shows when pings get through. */
export class Probe {
  private isStopping = false;
  private readonly done: Promise<void>;

  constructor(
    private readonly target: Target,
    private readonly journal: JournalWriter,
  ) {
    this.done = this.run();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.done;
  }

  private async run(): Promise<void> {
    while (!this.isStopping) {
      const sentAt = Date.now();
      this.journal.write({ type: 'due', id: this.target.id, at: sentAt });
      const { status, pingId } = await pingOnce(this.target.pingUrl, TIMEOUT_MS);
      this.journal.write({ type: 'ping', id: this.target.id, sentAt, endedAt: Date.now(), status, pingId });
      await sleep(Math.max(0, sentAt + EVERY_MS - Date.now()));
    }
  }
}
