import { LoginRefused, TopicMismatch } from '@flatline/event-log';
import { InstallationMismatch, sqlStateOf } from '@flatline/persistence';
import { ConfigError } from '@flatline/service-kernel';

/**
 * A server that this process stands on is away or not set up yet, so that trying again helps. The message is a sentence
 * for operators and holds no address; the cause is for the log.
 */
export class ServerAway extends Error {
  override readonly name = 'ServerAway';

  constructor(
    /** As readiness names it. */
    readonly component: string,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** A server is there and must not be used as it is. The message is a sentence for operators. */
export class UnusableServer extends Error {
  override readonly name = 'UnusableServer';
}

/** SQLSTATE class of a refused login. */
const INVALID_AUTHORIZATION = '28';

/** Whether somebody has to change something before another attempt makes sense. */
export function isMistake(error: unknown): boolean {
  return (
    error instanceof ConfigError ||
    error instanceof InstallationMismatch ||
    error instanceof TopicMismatch ||
    error instanceof LoginRefused ||
    error instanceof UnusableServer ||
    sqlStateOf(error)?.startsWith(INVALID_AUTHORIZATION) === true
  );
}

/**
 * Runs something that needs a server. What fails because of a mistake is thrown as it is, everything else as
 * {@link ServerAway}.
 */
export async function reach<Result>(component: string, server: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (isMistake(error) || error instanceof ServerAway) throw error;
    const code = codeOf(error);
    throw new ServerAway(component, `${server} cannot be used${code === null ? '' : ` (${code})`}`, error);
  }
}

/** The code of an error or of what caused it: `ECONNREFUSED`, a SQLSTATE, a name of Kafka's protocol. */
export function codeOf(error: unknown): string | null {
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    const { code, type } = each as { code?: unknown; type?: unknown };
    if (typeof code === 'string') return code;
    if (typeof type === 'string') return type;
  }
  return null;
}
