/**
 * Instants between SQL and the domain, which has them as epoch ms. Both ways avoid what costs most at thousands of rows a
 * second: Postgres's exact decimals, and dates as text.
 */

/**
 * SQL for the timestamptz of a bigint of epoch ms; null stays null. Exact, as to_timestamp itself counts in float8.
 * @param ms an SQL expression
 */
export const timestampOf = (ms: string): string => `to_timestamp(${ms}::float8 / 1000)`;

/**
 * SQL for the epoch ms of a timestamptz, as a float8, which the driver answers as a number; null stays null. What lies
 * below a millisecond is rounded away.
 * @param timestamp an SQL expression
 */
export const epochMsOf = (timestamp: string): string => `round(date_part('epoch', ${timestamp}) * 1000)`;
