import { EmbeddedPostgresError } from '@flatline/embedded-postgres';
import { InstallationMismatch } from '@flatline/persistence';
import { ConfigError, type FlatlineConfig } from '@flatline/service-kernel';

/** Codes of a server that cannot be reached, as Node names them. */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH', 'ECONNRESET', 'EAI_AGAIN']);

/**
 * Why Flatline did not start, in one sentence for the person at the terminal: what is wrong and what to do. Never a
 * stack trace, never a value of a secret variable.
 */
export function startupProblem(error: unknown, config: Pick<FlatlineConfig, 'HOST' | 'PORT'>): string {
  if (error instanceof EmbeddedPostgresError) return error.message;
  if (error instanceof ConfigError || error instanceof InstallationMismatch) {
    return `Flatline did not start: ${error.message}.`;
  }
  const code = codeOf(error);
  if (code === 'EADDRINUSE') {
    return `Port ${config.PORT} on ${config.HOST} is already in use; stop what listens there or set PORT to another one.`;
  }
  if (code === 'EACCES') return `This user may not listen on port ${config.PORT}; set PORT to one above 1023.`;
  if (code === 'EADDRNOTAVAIL') return `This machine has no address ${config.HOST}; set HOST to one it has.`;
  if (code !== undefined && UNREACHABLE.has(code)) {
    return `The Postgres server of DATABASE_URL cannot be reached (${code}); check that it runs and that the address is right.`;
  }
  return `Flatline did not start: ${error instanceof Error ? error.message : String(error)}`;
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
