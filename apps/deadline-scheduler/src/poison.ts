import { UnusableSchedule } from '@flatline/domain';
import { QueryFailedError } from 'typeorm';

/** SQLSTATE classes of data that cannot be stored: data exceptions and violated constraints. */
const DATA_CLASSES = new Set(['22', '23']);

/**
 * Whether an error is the fault of what was processed, so that trying again would fail for ever and stop everybody
 * behind it. Only what is known to be so counts: a lost connection, a deadlock or a full disk (classes 08, 40, 53, 57)
 * must be tried again, and setting pings aside for it would lose them.
 */
export function isPoison(error: unknown): boolean {
  if (error instanceof QueryFailedError) {
    const sqlState = (error.driverError as { code?: unknown } | undefined)?.code;
    return typeof sqlState === 'string' && sqlState.length === 5 && DATA_CLASSES.has(sqlState.slice(0, 2));
  }
  return (
    error instanceof UnusableSchedule ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError
  );
}

/** One line about an error for the dead letters: what kind it is and what it says, without the values it was about. */
export function reasonOf(error: unknown): string {
  if (error instanceof QueryFailedError) {
    return `not storable: ${(error.driverError as { code?: string }).code ?? 'unknown'} ${error.driverError.message.split('"')[0]}`.trim();
  }
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
