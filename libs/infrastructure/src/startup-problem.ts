import { sqlStateOf } from '@flatline/persistence';
import { type FlatlineConfig } from '@flatline/service-kernel';
import { codeOf, isMistake, ServerAway } from './server-away';

/** SQLSTATE undefined_table. */
const NO_SUCH_TABLE = '42P01';
/** Codes of a server that cannot be reached, as Node names them. */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH', 'ECONNRESET', 'EAI_AGAIN']);

/**
 * Why a process did not start, in one sentence for the person at the terminal: what is wrong and what to do. Never a
 * stack trace, never a value of a secret variable.
 *
 * @param name of what did not start
 * @param config what it was to listen on; not known while the configuration itself is wrong
 */
export function startupProblem(error: unknown, name: string, config?: Pick<FlatlineConfig, 'HOST' | 'PORT'>): string {
  if (isMistake(error)) return `${name} did not start: ${messageOf(error).replace(/\.$/, '')}.`;
  const code = codeOf(error);
  if (code === 'EADDRINUSE') {
    return `Port ${config?.PORT} on ${config?.HOST} is already in use; stop what listens there or set PORT to another one.`;
  }
  if (code === 'EACCES') return `This user may not listen on port ${config?.PORT}; set PORT to one above 1023.`;
  if (code === 'EADDRNOTAVAIL') return `This machine has no address ${config?.HOST}; set HOST to one it has.`;
  if (config && (error as { hostname?: unknown } | null)?.hostname === config.HOST) {
    return `HOST is ${config.HOST}, which is no address and no name that leads to one (${code}); set it to an address of this machine.`;
  }
  if (error instanceof ServerAway && error.component !== 'database') {
    return `${name} did not start: ${error.message}; check that the server runs and that its address is right.`;
  }
  if (code !== null && UNREACHABLE.has(code)) {
    return `The Postgres server of DATABASE_URL cannot be reached (${code}); check that it runs and that the address is right.`;
  }
  if (sqlStateOf(error) === NO_SUCH_TABLE) {
    return `The database of DATABASE_URL holds no Flatline, or one of an older version; run dist/apps/migrate/main.js first.`;
  }
  return `${name} did not start: ${messageOf(error)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
