import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import type { FlatlineConfig } from '../config/environment';
import { prettyLine } from './pretty-line';
import { createScrubber } from './scrubber';

/** Injection token of the {@link Logger}. */
export const LOGGER = Symbol('LOGGER');

/**
 * A structured logger: `logger.info({ heartbeatId }, 'heartbeat went down')`. Lines are events with fields, one per
 * thing that happened.
 */
export type Logger = PinoLogger;

export interface LoggerOptions {
  /** Name of the process in every line, e.g. `ingest`. */
  readonly service?: string;
  /** Where lines go; standard output unless set. */
  readonly destination?: DestinationStream;
}

/** Fields whose value is a secret whoever logs them. `parameters`: of the statement that failed, in an error of TypeORM. */
const SECRET_FIELDS = ['token', 'apiKey', 'api_key', 'authorization', 'password', 'secret', 'body', 'to', 'parameters'];

/**
 * Makes the logger of a process: JSON lines, or short ones for people (LOG_FORMAT).
 *
 * Each line is scrubbed of tokens, keys, addresses and of the secrets in `config` just before it is written, so a
 * secret inside an error message or a URL does not get out either. That costs some microseconds a line: nothing on
 * the path of a ping logs.
 */
export function createLogger(
  config: Pick<FlatlineConfig, 'LOG_LEVEL' | 'LOG_FORMAT'> & Partial<FlatlineConfig>,
  options: LoggerOptions = {},
): Logger {
  const scrub = createScrubber(secretsOf(config));
  const pretty = isPretty(config);
  return pino(
    {
      level: config.LOG_LEVEL,
      base: options.service && !pretty ? { service: options.service } : {},
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
      hooks: { streamWrite: (line) => (pretty ? prettyLine(scrub(line)) : scrub(line)) },
    },
    options.destination ?? pino.destination({ dest: 1, sync: true }),
  );
}

/** Whether people read the log of this process as it is written. */
export function isPretty({ LOG_FORMAT }: Pick<FlatlineConfig, 'LOG_FORMAT'>): boolean {
  return LOG_FORMAT === 'pretty' || (LOG_FORMAT === 'auto' && process.stdout.isTTY === true);
}

/** A logger that says nothing, for tests and tools. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

function secretsOf(config: Partial<FlatlineConfig>): string[] {
  const secrets: string[] = [];
  const whole = [
    config.FLATLINE_BOOTSTRAP_API_KEY,
    config.DEFAULT_ALERT_WEBHOOK_SECRET,
    config.OPERATOR_ALERT_WEBHOOK_SECRET,
    config.KAFKA_SASL_PASSWORD,
    config.DEFAULT_ALERT_WEBHOOK_URL,
    config.OPERATOR_ALERT_WEBHOOK_URL,
    config.SELF_HEARTBEAT_URL,
  ];
  for (const text of whole) {
    if (text) secrets.push(text);
  }
  for (const url of [config.DATABASE_URL, config.SMTP_URL, config.REDIS_URL, config.CANARY_URL]) {
    const password = url && URL.canParse(url) ? new URL(url).password : '';
    if (password) secrets.push(password, decodeURIComponent(password));
  }
  for (const key of config.PING_TOKEN_KEYS ?? []) {
    secrets.push(key.toString('base64url'), key.toString('base64'), key.toString('hex'));
  }
  return secrets;
}
