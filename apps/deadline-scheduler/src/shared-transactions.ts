import { PositionMoved } from '@flatline/event-log';
import { isPoison } from '@flatline/persistence';
import type { Applied, BatchTransaction, ShardBatch } from './batch-transaction';

interface Waiting {
  readonly batch: ShardBatch;
  readonly resolve: (applied: Applied) => void;
  readonly reject: (error: unknown) => void;
}

/** Two keep this process and Postgres busy; each further one would hold a connection. */
const TRANSACTIONS_AT_ONCE = 2;
/** How long the first batch waits for others: the pulses of an ingest reach all shards in the same instant. */
const GATHER_MS = 5;
/** A transaction takes batches until it has so many pings, so that none holds its locks for long. */
const PINGS_PER_TRANSACTION = 4_000;

/**
 * Lets the batches of several shards share a transaction. A transaction costs the same few statements and one flush
 * however little is in it, and an idle cluster has nothing but pulses: a handful for each shard in the same instant,
 * several times a second.
 *
 * One batch that cannot be applied is not the others' fault: then each is applied by itself.
 */
export class SharedTransactions {
  private readonly waiting: Waiting[] = [];
  private running = 0;
  private isGathering = false;

  constructor(private readonly transaction: Pick<BatchTransaction, 'apply' | 'applyOneByOne'>) {}

  /** Resolves when the batch is committed. Rejects, with nothing of it applied, as {@link BatchTransaction} does. */
  apply(batch: ShardBatch): Promise<Applied> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ batch, resolve, reject });
      this.startSoon();
    });
  }

  private startSoon(): void {
    if (this.isGathering || this.waiting.length === 0 || this.running >= TRANSACTIONS_AT_ONCE) return;
    this.isGathering = true;
    setTimeout(() => {
      this.isGathering = false;
      void this.run();
    }, GATHER_MS);
  }

  private async run(): Promise<void> {
    this.running += 1;
    const sharing = this.take();
    this.startSoon();
    await this.settle(sharing);
    this.running -= 1;
    this.startSoon();
  }

  private take(): Waiting[] {
    let pings = 0;
    const end = this.waiting.findIndex(({ batch }) => {
      pings += batch.batch.pings.length;
      return pings > PINGS_PER_TRANSACTION;
    });
    // At least one, however large it is.
    return this.waiting.splice(0, end === -1 ? this.waiting.length : Math.max(1, end));
  }

  private async settle(sharing: readonly Waiting[]): Promise<void> {
    try {
      const applied = await this.transaction.apply(sharing.map(({ batch }) => batch));
      sharing.forEach(({ resolve }, index) => resolve(applied[index]!));
    } catch (error) {
      if (sharing.length > 1 && (isPoison(error) || error instanceof PositionMoved)) {
        for (const one of sharing) await this.settle([one]);
      } else if (sharing.length === 1 && isPoison(error)) {
        const [{ batch, resolve, reject }] = sharing as [Waiting];
        await this.transaction.applyOneByOne(batch).then(resolve, reject);
      } else {
        for (const { reject } of sharing) reject(error);
      }
    }
  }
}
