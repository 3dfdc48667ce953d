import { QueryFailedError } from 'typeorm';

/** The SQLSTATE of an error of Postgres, from pg itself or wrapped by TypeORM; null for every other error. */
export function sqlStateOf(error: unknown): string | null {
  const thrown: unknown = error instanceof QueryFailedError ? error.driverError : error;
  const code = (thrown as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null;
}
