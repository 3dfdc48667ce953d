/**
 * SQL for the timestamptz of a bigint of epoch ms; null stays null. Exact, as to_timestamp itself counts in float8, and
 * without Postgres's exact decimals, which cost five times as much.
 * @param ms an SQL expression
 */
export const timestampOf = (ms: string): string => `to_timestamp(${ms}::float8 / 1000)`;
