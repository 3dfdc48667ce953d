import { z } from 'zod';
import {
  baseUrl,
  brokerList,
  emailList,
  filePath,
  mailbox,
  pingTokenKeyring,
  redisUrl,
  serverUrl,
  upstreamUrls,
  webhookSecret,
  webUrl,
  withoutLogin,
  wholeNumber,
  yesOrNo,
} from './value-schemas';

/** What the documentation says of one environment variable. */
export interface VariableNote {
  readonly description: string;
  /** The value's text is never shown: in logs, in error messages or in the process list we print. */
  readonly secret?: boolean;
  /** The default as a reader would write it; absent when there is none. */
  readonly default?: string;
  /** What happens when it is not set, where that is not a plain value. */
  readonly whenUnset?: string;
}

const NOTES = new WeakMap<z.ZodType, VariableNote>();

function optional<Schema extends z.ZodType>(schema: Schema, note: VariableNote) {
  const variable = schema.optional();
  NOTES.set(variable, note);
  return variable;
}

/** `fallback` is written as it would stand in the environment and goes through the same schema. */
function defaulted<Schema extends z.ZodType<unknown, string>>(schema: Schema, fallback: string, note: VariableNote) {
  const variable = z
    .string()
    .optional()
    .transform((text) => text ?? fallback)
    .pipe(schema);
  NOTES.set(variable, { ...note, default: fallback });
  return variable;
}

/**
 * Every environment variable Flatline reads, with its meaning, unit and default. The table in the documentation is
 * generated from this; a variable that is not here does not exist. An empty value counts as not set.
 */
export const ENVIRONMENT = z.object({
  PORT: defaulted(wholeNumber(0, 65_535), '8080', {
    description: 'TCP port to listen on. 0 picks a free one.',
  }),
  HOST: defaulted(z.string().regex(/^[A-Za-z0-9._:-]{1,253}$/, 'must be a host name or an IP address'), '127.0.0.1', {
    description: 'Address to listen on. 0.0.0.0 or :: makes Flatline reachable from other machines.',
  }),
  PUBLIC_BASE_URL: optional(withoutLogin(baseUrl), {
    description: 'How people and jobs reach this installation; the ping URLs shown are built from it.',
    whenUnset: 'http://HOST:PORT',
  }),
  FLATLINE_DATA_DIR: defaulted(filePath, '.flatline', {
    description: 'Folder of the embedded Postgres and of what belongs to this installation (`npm start`).',
  }),
  FLATLINE_BOOTSTRAP_API_KEY: optional(
    z.string().regex(/^[\x21-\x7e]{20,200}$/, 'must be 20 to 200 printable ASCII characters without spaces'),
    {
      description: 'API key of the instance administrator, at least 20 characters. Stays valid until it is revoked.',
      secret: true,
      whenUnset: 'a random key is made and shown once at the first start',
    },
  ),
  DATABASE_URL: optional(serverUrl('postgres:', 'postgresql:'), {
    description: 'Postgres to use, version 15 or later.',
    secret: true,
    whenUnset: '`npm start` runs its own Postgres in FLATLINE_DATA_DIR; a service on its own refuses to start',
  }),
  DATABASE_POOL_SIZE: defaulted(wholeNumber(2, 200), '10', {
    description: 'Most connections one process opens to Postgres for its queries.',
  }),
  KAFKA_BROKERS: optional(brokerList, {
    description: 'Kafka that carries the events: host:port of some of its brokers, separated by commas.',
    whenUnset: 'the events are kept in Postgres',
  }),
  KAFKA_CLIENT: defaulted(
    z.enum(['kafkajs', 'platformatic'], { error: 'must be kafkajs or platformatic' }),
    'kafkajs',
    { description: 'Client library that talks to Kafka: kafkajs or platformatic.' },
  ),
  KAFKA_REPLICATION_FACTOR: defaulted(wholeNumber(1, 15), '3', {
    description:
      'Copies of each record in topics that Flatline creates. From 3 up, 2 of them must have it before a ping is ' +
      'acknowledged; below that a lost broker can lose acknowledged pings.',
  }),
  KAFKA_RETENTION_HOURS: defaulted(wholeNumber(1, 8_760), '72', {
    description:
      'Hours that Kafka keeps pings and events, read or not. Longer than Postgres or all deadline schedulers are ever ' +
      'away: Kafka drops what is older even if nobody has applied it.',
  }),
  KAFKA_TLS: defaulted(yesOrNo, 'false', {
    description: 'Whether the connections to Kafka are encrypted.',
  }),
  KAFKA_TLS_CA_FILE: optional(filePath, {
    description: 'PEM file of the authority that signed the certificates of the brokers.',
    whenUnset: 'the authorities that Node trusts',
  }),
  KAFKA_SASL_MECHANISM: optional(
    z.enum(['plain', 'scram-sha-256', 'scram-sha-512'], { error: 'must be plain, scram-sha-256 or scram-sha-512' }),
    { description: 'How to log in to Kafka: plain, scram-sha-256 or scram-sha-512.', whenUnset: 'no login' },
  ),
  KAFKA_SASL_USERNAME: optional(z.string(), {
    description: 'User name for Kafka.',
  }),
  KAFKA_SASL_PASSWORD: optional(z.string(), {
    description: 'Password for Kafka.',
    secret: true,
  }),
  REDIS_URL: optional(redisUrl, {
    description: 'Redis that keeps the timers; it must use AOF and the eviction policy noeviction.',
    secret: true,
    whenUnset: 'the timers are kept in Postgres',
  }),
  PING_TOKEN_KEYS: optional(pingTokenKeyring, {
    description:
      'Keys that sign ping tokens, newest first, separated by commas; each base64url of at least 32 bytes. ' +
      'New tokens use the first; tokens under any of them stay valid.',
    secret: true,
    whenUnset: '`npm start` makes one and keeps it in FLATLINE_DATA_DIR; a service on its own refuses to start',
  }),
  ACCEPT_NEW_PING_TOKEN_KEYS: defaulted(yesOrNo, 'false', {
    description:
      'Start although none of the ping-token keys was ever used here. Every ping URL given out before is dead then.',
  }),
  PING_PARTITIONS: optional(wholeNumber(1, 1_024), {
    description: 'Slices the heartbeats are spread over. Recorded at the first start; grow-partitions makes them more.',
    whenUnset: '`4`; with KAFKA_BROKERS `32`',
  }),
  // At least 10: an ingest accepts for half a lease after its last pulse, and an append may take 4 s more.
  INGEST_LEASE_SECONDS: defaulted(wholeNumber(10, 300), '10', {
    description: 'Seconds of silence after which an ingest process counts as gone. The same for all processes.',
  }),
  MAX_CLOCK_SKEW_MS: defaulted(wholeNumber(100, 60_000), '1000', {
    description:
      'Milliseconds the clock of a process may be away from that of the event log. An ingest further off refuses pings ' +
      'with 503, and a deadline scheduler is not ready.',
  }),
  CANARY_URL: optional(baseUrl, {
    description:
      'Base URL at which jobs reach this installation, as seen from the ingests. Each calls itself through it four ' +
      'times a second; while that fails, jobs are taken to be unable to reach it, and nothing is judged against them.',
    whenUnset: 'ingests take themselves to be reachable whenever they run',
  }),
  PING_RETENTION_DAYS: defaulted(wholeNumber(1, 3_650), '90', {
    description: 'Days the history of pings is kept.',
  }),
  MAX_HEARTBEATS_PER_PROJECT: optional(wholeNumber(0), {
    description: 'Quota of heartbeats per project; creating more answers 402.',
    whenUnset: 'unlimited',
  }),
  MAX_CHANNELS_PER_PROJECT: defaulted(wholeNumber(1), '50', {
    description: 'Quota of channels per project; creating more answers 402.',
  }),
  MAX_CONNECTIONS: defaulted(wholeNumber(10), '10000', {
    description: 'Open HTTP connections a process holds at most; further ones are closed at once.',
  }),
  DEFAULT_ALERT_EMAIL: optional(emailList, {
    description: 'E-mail addresses, separated by commas, that are told about every project. Needs SMTP_URL.',
    secret: true,
  }),
  DEFAULT_ALERT_WEBHOOK_URL: optional(webUrl, {
    description: 'Webhook that is told about every project.',
    secret: true,
  }),
  DEFAULT_ALERT_WEBHOOK_SECRET: optional(webhookSecret, {
    description: 'Signing secret of DEFAULT_ALERT_WEBHOOK_URL: whsec_ and base64 of 24 to 64 bytes.',
    secret: true,
  }),
  SMTP_URL: optional(serverUrl('smtp:', 'smtps:'), {
    description: 'Mail server, for example smtp://user:password@mail.example.org:587.',
    secret: true,
    whenUnset: 'no e-mail is sent',
  }),
  ALERT_EMAIL_FROM: defaulted(mailbox, 'Flatline <flatline@localhost>', {
    description: 'Sender of e-mails.',
  }),
  OPERATOR_ALERT_EMAIL: optional(emailList, {
    description:
      'E-mail addresses, separated by commas, that are told when something is wrong with Flatline itself. Needs SMTP_URL.',
    secret: true,
    whenUnset: 'such alerts are lines in the log',
  }),
  OPERATOR_ALERT_WEBHOOK_URL: optional(webUrl, {
    description:
      'Webhook that is told when something is wrong with Flatline itself. Private addresses are allowed here.',
    secret: true,
    whenUnset: 'such alerts are lines in the log',
  }),
  OPERATOR_ALERT_WEBHOOK_SECRET: optional(webhookSecret, {
    description: 'Signing secret of OPERATOR_ALERT_WEBHOOK_URL: whsec_ and base64 of 24 to 64 bytes.',
    secret: true,
    whenUnset: 'those messages are not signed',
  }),
  DISK_FREE_ALERT_MB: defaulted(wholeNumber(1), '1000', {
    description:
      'Free space on the disk of FLATLINE_DATA_DIR below which the operator is told, in MB. Where that folder is not, nothing is looked at.',
  }),
  SELF_HEARTBEAT_URL: optional(withoutLogin(webUrl), {
    description:
      'Ping URL of a heartbeat in another Flatline. It is called while the whole way from ping to message works, as the deadline scheduler reads it from Postgres.',
    secret: true,
    whenUnset: 'nobody hears when this Flatline dies as a whole',
  }),
  SELF_HEARTBEAT_EVERY_SECONDS: defaulted(wholeNumber(10, 86_400), '60', {
    description: 'Seconds between two calls of SELF_HEARTBEAT_URL.',
  }),
  ALLOW_PRIVATE_WEBHOOK_TARGETS: defaulted(yesOrNo, 'false', {
    description: 'Whether webhooks may go to loopback, private and link-local addresses.',
  }),
  INGEST_URLS: optional(upstreamUrls, {
    description:
      'Where the gateway finds the ingests: http://host:port, separated by commas. A name may stand for any number of ' +
      'processes: all its addresses are used, and looked up again every few seconds.',
    whenUnset: 'the gateway refuses to start; nothing else needs it',
  }),
  MANAGEMENT_API_URLS: optional(upstreamUrls, {
    description: 'Where the gateway finds the management APIs, in the same form.',
    whenUnset: 'the gateway refuses to start; nothing else needs it',
  }),
  CLUSTER_PROCESSES_PER_SERVICE: defaulted(wholeNumber(1, 16), '2', {
    description: 'How many processes of each service `npm run cluster` starts. Nothing else looks at it.',
  }),
  CLOCK_OFFSET_FILE: optional(filePath, {
    description:
      'Fault injection, never in production: a file with the milliseconds that this process adds to its wall clock. It ' +
      'may change at any time; no file, or none with a number, adds nothing.',
    whenUnset: 'the clock of the machine',
  }),
  CLUSTER_CLOCK_OFFSET_DIR: optional(filePath, {
    description:
      'Fault injection: `npm run cluster` gives each process a CLOCK_OFFSET_FILE of its own below this folder, named ' +
      'like the process: `ingest-1`.',
    whenUnset: 'the processes go by CLOCK_OFFSET_FILE, if that is set',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(webUrl, {
    description: 'OpenTelemetry collector that takes traces by OTLP over HTTP, for example http://localhost:4318.',
    whenUnset: 'nothing is traced',
  }),
  LOG_LEVEL: defaulted(
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'must be fatal, error, warn, info, debug, trace or silent',
    }),
    'info',
    { description: 'Least severity that is logged: fatal, error, warn, info, debug, trace or silent.' },
  ),
  LOG_FORMAT: defaulted(z.enum(['auto', 'json', 'pretty'], { error: 'must be auto, json or pretty' }), 'auto', {
    description: 'json: one JSON object per line. pretty: short lines for people. auto: pretty on a terminal.',
  }),
});

type Variables = z.output<typeof ENVIRONMENT>;

/** The configuration of a process: the catalogue's variables by their own names, parsed. */
export type FlatlineConfig = Readonly<Variables & { PING_PARTITIONS: number }>;

/** The defaults that depend on other variables. */
export function withDependentDefaults(variables: Variables): FlatlineConfig {
  return { ...variables, PING_PARTITIONS: variables.PING_PARTITIONS ?? (variables.KAFKA_BROKERS ? 32 : 4) };
}

export type VariableName = keyof FlatlineConfig & string;

/** One row of the documentation's table of variables. */
export interface VariableDescription extends VariableNote {
  readonly name: VariableName;
}

/** Every variable in the order of the catalogue, for the documentation. */
export function describeEnvironment(): VariableDescription[] {
  return Object.entries(ENVIRONMENT.shape).map(([name, schema]) => {
    const note = NOTES.get(schema);
    if (!note) throw new Error(`The environment variable ${name} has no description`);
    return { name: name as VariableName, ...note };
  });
}
