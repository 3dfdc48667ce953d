import { PositionMoved } from '@flatline/event-log';
import type { LoggedPing } from './batch';
import type { Applied, ShardBatch } from './batch-transaction';
import { SharedTransactions } from './shared-transactions';

const nothing: Applied = { folded: [], poison: [], waiting: [] };

function batchOf(shard: number, pings = 1): ShardBatch {
  return {
    shard,
    batch: { events: [], pings: Array.from({ length: pings }, () => ({}) as LoggedPing), poison: [] },
    from: 0,
    to: { nextOffset: 1, progress: { watermark: null, ingests: {}, spells: [] }, waiting: [] },
    watermarkMoved: true,
    absences: { takenBackTo: null, changed: [], over: [] },
    context: { absences: [], rules: { leaseMs: 10_000 } },
    spans: new Map(),
  };
}

/** Notes which shards were together in a transaction; those in `failing` fail it. */
function scripted(failing: ReadonlyMap<number, Error> = new Map()) {
  const together: number[][] = [];
  const alone: number[] = [];
  const transactions = new SharedTransactions({
    apply: (batches) => {
      together.push(batches.map(({ shard }) => shard));
      const failure = batches.map(({ shard }) => failing.get(shard)).find((error) => error !== undefined);
      return failure ? Promise.reject(failure) : Promise.resolve(batches.map(() => nothing));
    },
    applyOneByOne: ({ shard }) => {
      alone.push(shard);
      return Promise.resolve(nothing);
    },
  });
  const apply = (...batches: ShardBatch[]): Promise<PromiseSettledResult<Applied>[]> =>
    Promise.allSettled(batches.map((batch) => transactions.apply(batch)));
  return { together, alone, apply };
}

describe('transactions that shards share', () => {
  it('take all batches that come in the same instant', async () => {
    const { together, apply } = scripted();
    const outcomes = await apply(batchOf(0), batchOf(1), batchOf(2));
    expect(together).toEqual([[0, 1, 2]]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
  });

  it('take no more pings than they can hold without delaying others, and at least one batch', async () => {
    const { together, apply } = scripted();
    await apply(batchOf(0, 9_000), batchOf(1, 3_000), batchOf(2, 900), batchOf(3, 900));
    expect(together).toEqual([[0], [1, 2], [3]]);
  });

  it('are done again batch by batch when the position of one is not where it is expected: the others go on', async () => {
    const { together, apply } = scripted(new Map([[1, new PositionMoved()]]));
    const outcomes = await apply(batchOf(0), batchOf(1), batchOf(2));
    expect(together).toEqual([[0, 1, 2], [0], [1], [2]]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('go through the pings of a batch with poison one by one, and of no other', async () => {
    const { alone, apply } = scripted(new Map([[2, new RangeError('odd')]]));
    const outcomes = await apply(batchOf(0), batchOf(2));
    expect(alone).toEqual([2]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
  });

  it('leave a trouble of the server to whoever reads the shards, who begin again where the position is', async () => {
    const away = new Error('the connection was lost');
    const { together, alone, apply } = scripted(new Map([[0, away]]));
    const outcomes = await apply(batchOf(0), batchOf(1));
    expect(outcomes).toEqual([
      { status: 'rejected', reason: away },
      { status: 'rejected', reason: away },
    ]);
    expect([together, alone]).toEqual([[[0, 1]], []]);
  });
});
