import type { EntityManager } from 'typeorm';

/**
 * SQL that Postgres reads once on each connection and not each time it runs. For the few statements that run with every
 * batch of pings: reading and planning them took a quarter of Postgres' time.
 *
 * Select columns by their names: a statement with `*` fails on every open connection once a migration adds a column.
 */
export interface PreparedStatement {
  /** One name for one text, at most 63 bytes. */
  readonly name: string;
  readonly text: string;
}

/**
 * After so many uses of a connection its plans are made anew. Postgres keeps the plan of a statement until the table is
 * analyzed, and one that was made for a small table reads all of it, over and over, while the table grows.
 */
const USES_OF_PLANS = 500;

const usesByConnection = new WeakMap<object, number>();

/**
 * Runs a statement in the transaction of `manager`.
 * @param Result as TypeORM answers such a statement: the rows, or rows and their number for UPDATE and DELETE
 */
export async function runPrepared<Result>(
  manager: EntityManager,
  { name, text }: PreparedStatement,
  parameters: unknown[],
): Promise<Result> {
  const connection = (await manager.queryRunner?.connect()) as object | undefined;
  if (!connection) throw new Error(`${name} needs a transaction: its connection is to be known`);
  const uses = usesByConnection.get(connection) ?? 0;
  usesByConnection.set(connection, uses + 1);
  if (uses % USES_OF_PLANS === USES_OF_PLANS - 1) await manager.query('DISCARD PLANS');
  // TypeORM hands this to pg as it is, and pg takes an object with a name for a statement to prepare.
  return manager.query<Result>({ name, text } as unknown as string, parameters);
}
