import { UnusableSchedule } from '@flatline/domain';
import { refusedDataState } from '@flatline/persistence';

/**
 * Whether an error is the fault of what was processed, so that trying again would fail for ever and stop everybody
 * behind it. Only what is known to be so counts: setting pings aside for a passing trouble would lose them.
 */
export function isPoison(error: unknown): boolean {
  return (
    refusedDataState(error) !== null ||
    error instanceof UnusableSchedule ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError
  );
}

/** One line about an error for the dead letters, without the values it was about. */
export function reasonOf(error: unknown): string {
  const state = refusedDataState(error);
  if (state !== null) return `refused by the database (SQLSTATE ${state})`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
