import { describeEnvironment } from './environment';
import { ConfigError, loadConfig, publicBaseUrl, requireVariable } from './load-config';

const key = (byte: number) => Buffer.alloc(32, byte);

describe('the configuration', () => {
  it('starts with nothing set', () => {
    expect(loadConfig({})).toMatchObject({
      PORT: 8080,
      HOST: '127.0.0.1',
      PING_PARTITIONS: 4,
      INGEST_LEASE_SECONDS: 10,
      ALLOW_PRIVATE_WEBHOOK_TARGETS: false,
      MAX_HEARTBEATS_PER_PROJECT: undefined,
      PING_TOKEN_KEYS: undefined,
    });
  });

  it('spreads heartbeats over more partitions where Kafka carries them, unless told otherwise', () => {
    expect(loadConfig({ KAFKA_BROKERS: 'kafka:9092' }).PING_PARTITIONS).toBe(32);
    expect(loadConfig({ KAFKA_BROKERS: 'kafka:9092', PING_PARTITIONS: '6' }).PING_PARTITIONS).toBe(6);
  });

  it('takes an empty value for one that is not set', () => {
    expect(loadConfig({ PORT: '', DATABASE_URL: '' })).toMatchObject({ PORT: 8080, DATABASE_URL: undefined });
  });

  it.each([
    ['base64url', key(251).toString('base64url')],
    ['base64', key(251).toString('base64')],
    ['hex', key(251).toString('hex')],
  ])('reads a key of ping tokens in %s', (_form, text) => {
    expect(loadConfig({ PING_TOKEN_KEYS: text }).PING_TOKEN_KEYS).toEqual([key(251)]);
  });

  it('keeps the order of a keyring', () => {
    const ring = [key(1), key(2), key(3)];
    const text = ring.map((each) => each.toString('base64url')).join(' , ');
    expect(loadConfig({ PING_TOKEN_KEYS: text }).PING_TOKEN_KEYS).toEqual(ring);
  });

  it('reads lists of addresses', () => {
    expect(loadConfig({ DEFAULT_ALERT_EMAIL: 'a@example.org, b@example.org' }).DEFAULT_ALERT_EMAIL).toEqual([
      'a@example.org',
      'b@example.org',
    ]);
  });

  it.each([
    ['PORT', '80 80'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '0x50'],
    ['HOST', 'bad host'],
    ['DATABASE_URL', 'mysql://hunter2@x/y'],
    ['PUBLIC_BASE_URL', 'hunter2'],
    ['FLATLINE_BOOTSTRAP_API_KEY', 'hunter2'],
    ['FLATLINE_BOOTSTRAP_API_KEY', 'hunter2 with a space in it'],
    ['PING_TOKEN_KEYS', 'hunter2'],
    ['PING_TOKEN_KEYS', `${key(1).toString('base64url')},hunter2`],
    ['PING_TOKEN_KEYS', Buffer.alloc(31).toString('base64url')],
    ['PING_TOKEN_KEYS', ' , '],
    ['PING_PARTITIONS', '0'],
    ['INGEST_LEASE_SECONDS', '1.5'],
    ['MAX_HEARTBEATS_PER_PROJECT', 'hunter2'],
    ['ALLOW_PRIVATE_WEBHOOK_TARGETS', 'hunter2'],
    ['LOG_LEVEL', 'hunter2'],
    ['SMTP_URL', 'http://hunter2'],
    ['DEFAULT_ALERT_EMAIL', 'hunter2'],
    ['DEFAULT_ALERT_WEBHOOK_URL', 'ftp://hunter2'],
    ['DEFAULT_ALERT_WEBHOOK_SECRET', 'whsec_hunter2'],
    ['PUBLIC_BASE_URL', 'http:hunter2'],
    ['PUBLIC_BASE_URL', ' https://hunter2.example.org'],
    ['PUBLIC_BASE_URL', 'https://example.org/v1/'],
    ['PUBLIC_BASE_URL', 'https://example.org/?hunter2'],
    ['PUBLIC_BASE_URL', 'https://user:hunter2@example.org'],
    ['CANARY_URL', 'https://example.org/v1'],
    ['SELF_HEARTBEAT_URL', 'https://user:hunter2@example.org'],
    ['DATABASE_URL', 'postgres:hunter2'],
    ['DATABASE_URL', 'postgres://user:hunter2%zz@example.org/db'],
    ['SMTP_URL', 'smtp://'],
    ['SMTP_URL', 'smtp://user:hunter2#@example.org'],
    ['SMTP_URL', 'smtp://user:hunter2%@example.org'],
    ['REDIS_URL', 'redis://example.org:6379/hunter2'],
    ['KAFKA_BROKERS', 'hunter2:99999'],
    ['INGEST_URLS', 'http://hunter2:0'],
    ['ALERT_EMAIL_FROM', 'hunter2'],
    ['ALERT_EMAIL_FROM', 'hunter2@example.org, b@example.org'],
    ['ALERT_EMAIL_FROM', 'A, B <hunter2@example.org>'],
    ['ALERT_EMAIL_FROM', 'A\r\nBcc: <hunter2@example.org>'],
    ['FLATLINE_DATA_DIR', '/hunter2 '],
    ['DISK_FREE_ALERT_MB', '0'],
  ])('names %s when it is wrong (%s) and never repeats its value', (name, value) => {
    const attempt = () => loadConfig({ [name]: value });
    expect(attempt).toThrow(ConfigError);
    expect(attempt).toThrow(new RegExp(`^${name} must be `));
    expect(attempt).not.toThrow(/hunter2/);
  });

  it.each([
    ['DATABASE_URL', 'postgres:///flatline?host=/run/postgresql'],
    ['DATABASE_URL', 'postgresql://%2Frun%2Fpostgresql/flatline'],
    ['DATABASE_URL', 'postgres://user:p%25%40ss@[::1]:5432/flatline?sslmode=require'],
    ['SMTP_URL', 'smtp://127.0.0.1:25?ignoreTLS=true'],
    ['REDIS_URL', 'redis://127.0.0.1'],
    ['REDIS_URL', 'rediss://:secret@example.org:6380/1'],
    ['PUBLIC_BASE_URL', 'HTTPS://example.org/flatline/'],
    ['CANARY_URL', 'https://user:secret@example.org'],
    ['ALERT_EMAIL_FROM', 'flatline@localhost'],
    ['ALERT_EMAIL_FROM', '"Flatline, Inc." <flatline@example.org>'],
    ['ALERT_EMAIL_FROM', 'Wächter <wächter@bücher.example>'],
  ])('takes %s=%s as it stands', (name, value) => {
    expect(loadConfig({ [name]: value })).toMatchObject({ [name]: value });
  });

  it('lists every variable that is wrong', () => {
    expect(() => loadConfig({ PORT: 'x', LOG_LEVEL: 'y' })).toThrow(/PORT .*; LOG_LEVEL /);
  });

  it('says which variable a process cannot do without', () => {
    expect(() => requireVariable(loadConfig({}), 'DATABASE_URL')).toThrow(/^DATABASE_URL must be set$/);
    expect(() => requireVariable(loadConfig({}), 'SMTP_URL', 'OPERATOR_ALERT_EMAIL')).toThrow(
      'SMTP_URL must be set, because OPERATOR_ALERT_EMAIL is',
    );
  });

  it.each([
    [{}, 'http://127.0.0.1:8080'],
    [{ HOST: '0.0.0.0', PORT: '80' }, 'http://localhost:80'],
    [{ HOST: '::1' }, 'http://[::1]:8080'],
    [{ PUBLIC_BASE_URL: 'https://example.org/flatline//' }, 'https://example.org/flatline'],
  ])('shows the base URL of %j', (env, expected) => {
    expect(publicBaseUrl(loadConfig(env))).toBe(expected);
  });

  it('describes every variable', () => {
    const described = describeEnvironment();
    expect(described.length).toBeGreaterThan(15);
    expect(described.filter((each) => each.description.length < 10)).toEqual([]);
    expect(described.find((each) => each.name === 'PORT')).toMatchObject({ default: '8080' });
  });
});
