import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findRedis, KAFKA_VERSION } from '@flatline/local-servers';
import { freePort, startTestProcess } from '@flatline/test-kit';
import { describeEnvironment, loadConfig } from '@flatline/service-kernel';
import {
  type ComposeFile,
  type ComposeService,
  composeText,
  readComposeFile,
  resolveComposeFile,
} from './compose-file';

const FILES = ['docker-compose.yml', 'docker-compose.single.yml'];
/** What the services write to and must not lose. */
const STATE: Readonly<Record<string, string>> = {
  postgres: '/var/lib/postgresql',
  redis: '/data',
  kafka: '/var/lib/kafka/data',
};
/** Ends by itself when its work is done. */
const ONE_SHOT = ['migrate'];

const folder = mkdtempSync(join(tmpdir(), 'flatline-test-compose-'));
const envFile = join(folder, '.env');
const writeEnv = (file: string): void => {
  execFileSync('sh', [resolve(__dirname, 'write-env.sh'), file], { stdio: 'ignore' });
};

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the script that writes the secrets', () => {
  it('makes them at random, for their owner alone, and never changes one that is there', () => {
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    writeFileSync(first, 'POSTGRES_PASSWORD=chosen by somebody'); // without an end of its line
    writeEnv(first);
    const before = readFileSync(first, 'utf8');
    writeEnv(first);
    writeEnv(second);

    expect(readFileSync(first, 'utf8')).toBe(before);
    expect(before).toMatch(/^POSTGRES_PASSWORD=chosen by somebody$/m);
    expect(statSync(second).mode & 0o777).toBe(0o600);
    const secrets = (file: string): string[] => readFileSync(file, 'utf8').trim().split('\n');
    expect(secrets(second)).toHaveLength(secrets(first).length);
    expect(secrets(second).filter((line) => secrets(first).includes(line))).toEqual([]);
    expect(readFileSync(second, 'utf8')).toMatch(/^KAFKA_CLUSTER_ID=[A-Za-z0-9_][A-Za-z0-9_-]{21}$/m);
  });
});

describe.each(FILES)('%s', (file) => {
  const written = readComposeFile(file);
  let compose: ComposeFile;
  beforeAll(() => {
    writeEnv(envFile);
    compose = resolveComposeFile(file, envFile);
  });

  const all = (): [string, ComposeService][] => Object.entries(compose.services);
  const ours = (): [string, ComposeService][] => all().filter(([, service]) => service.image === 'flatline');

  it('refuses to start without the secrets, and says what to do', () => {
    const nothing = join(folder, 'empty');
    writeFileSync(nothing, '');
    expect(() => resolveComposeFile(file, nothing)).toThrow('run sh tools/image/write-env.sh first');
  });

  it('has no default for anything secret', () => {
    const secret = [
      ...describeEnvironment().flatMap(({ name, secret }) => (secret ? [name] : [])),
      'POSTGRES_PASSWORD',
    ];
    const isSecret = (name: string): boolean => secret.includes(name) || /(PASSWORD|SECRET|_KEY)$/.test(name);
    const given = [...composeText(file).matchAll(/\$\{([A-Z_]+)(:[-?][^}]*)?\}/g)];
    const defaults = given.flatMap(([, name, rest]) => (rest?.startsWith(':-') && rest !== ':-' ? [name!] : []));
    expect(given.length).toBeGreaterThan(10);
    expect(defaults.filter(isSecret)).toEqual([]);
  });

  it('gives our services only variables that there are, with values that they accept', () => {
    const known = describeEnvironment().map(({ name }) => name as string);
    for (const [name, { environment = {} }] of ours()) {
      expect({ name, unknown: Object.keys(environment).filter((variable) => !known.includes(variable)) }).toEqual({
        name,
        unknown: [],
      });
      const values = Object.entries(environment).map(([key, value]) => [key, String(value ?? '')]);
      expect(() => loadConfig(Object.fromEntries(values) as NodeJS.ProcessEnv)).not.toThrow();
    }
  });

  it('watches the health of everything that keeps running', () => {
    for (const [name, { healthcheck }] of all()) {
      const watched = healthcheck?.disable !== true && !['NONE', undefined].includes(healthcheck?.test?.[0]);
      expect({ name, watched }).toEqual({ name, watched: !ONE_SHOT.includes(name) });
    }
  });

  it('limits what each may use, waits for it to stop, and starts it again when it dies', () => {
    for (const [name, { deploy, restart, stop_grace_period: patience }] of all()) {
      expect({ name, limits: deploy?.resources?.limits, restart, patience }).toEqual({
        name,
        limits: { cpus: expect.anything() as unknown, memory: expect.stringMatching(/^\d+[mg]$/i) as string },
        restart: ONE_SHOT.includes(name) ? 'on-failure' : 'unless-stopped',
        patience: expect.stringMatching(/^(1m|\d+s)$/) as string,
      });
    }
  });

  it('runs everything without privileges on a file system that cannot be written', () => {
    for (const [name, service] of all()) {
      expect({ name, ...service }).toMatchObject({
        name,
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        init: true,
        tmpfs: expect.arrayContaining(['/tmp']) as string[],
      });
      // Ours are not root because of the USER of the image (image.integration-spec.ts).
      expect({ name, user: service.user }).toEqual({
        name,
        user: service.image === 'flatline' ? undefined : expect.stringMatching(/^(?!root$|0$)/),
      });
    }
  });

  it('keeps what must not be lost in named volumes', () => {
    for (const [name, target] of Object.entries(STATE)) {
      if (!written.services[name]) continue;
      expect(written.services[name].volumes).toEqual([`${name}:${target}`]);
      expect(Object.keys(written.volumes ?? {})).toContain(name);
    }
  });

  it('opens one port, on loopback unless told otherwise, and none of a server', () => {
    const open = all().filter(([, service]) => service.ports !== undefined);
    expect(open.map(([name]) => name)).toEqual([file === 'docker-compose.yml' ? 'gateway' : 'flatline']);
    expect(open[0]![1].ports).toEqual(['127.0.0.1:8080:8080/tcp']);
    expect(compose.networks).toMatchObject({ inside: { internal: true } });
    for (const name of Object.keys(STATE).filter((each) => compose.services[each])) {
      expect({ name, networks: Object.keys(compose.services[name]!.networks as object) }).toEqual({
        name,
        networks: ['inside'],
      });
    }
  });

  it('fixes no names, so that any number of each service can run', () => {
    for (const [name, { container_name: fixed, hostname }] of all()) {
      expect({ name, fixed, hostname }).toEqual({ name, fixed: undefined, hostname: undefined });
    }
  });
});

describe('the servers of docker-compose.yml', () => {
  const { services } = readComposeFile('docker-compose.yml');

  it('are the Kafka that the adapter is tested with', () => {
    expect(services.kafka!.image).toBe(`apache/kafka:${KAFKA_VERSION}`);
  });

  it('are a Redis that refuses strangers, keeps what it is told, and forgets nothing for want of room', async () => {
    const program = await findRedis(() => undefined);
    const port = await freePort();
    const [command, option, script] = services.redis!.command!;
    const [data, password] = [mkdtempSync(join(folder, 'redis-')), 'a-password'];
    // As Compose hands it over, but for the folder and the port of this machine.
    const said = script!
      .replace('$$', '$')
      .replace(/\$\{REDIS_MAXMEMORY:-([^}]*)\}/, '$1')
      .replace('redis-server -', `${program} - --port ${port} --bind 127.0.0.1`)
      .replace('dir /data', `dir ${data}`);
    const redis = startTestProcess({ command, args: [option!, said], env: { REDIS_PASSWORD: password } });
    try {
      await redis.line(/Ready to accept connections/);
      expect(redis.child.spawnargs.join(' ')).not.toContain(password);
      const ask = (...words: string[]): string =>
        execFileSync('redis-cli', ['-p', String(port), ...words], {
          encoding: 'utf8',
          env: { PATH: process.env.PATH, REDISCLI_AUTH: password },
        }).trim();
      expect(() =>
        execFileSync('redis-cli', ['-p', String(port), '-e', 'ping'], {
          stdio: 'pipe',
          env: { PATH: process.env.PATH },
        }),
      ).toThrow(/NOAUTH/);
      expect(ask('ping')).toBe('PONG');
      expect(ask('config', 'get', 'appendonly')).toBe('appendonly\nyes');
      expect(ask('config', 'get', 'maxmemory-policy')).toBe('maxmemory-policy\nnoeviction');
      expect(ask('config', 'get', 'maxmemory')).not.toBe('maxmemory\n0');
    } finally {
      await redis.stop('SIGTERM');
    }
  });
});

describe('docker-compose.yml', () => {
  const { services } = readComposeFile('docker-compose.yml');

  it('migrates before any service starts, once Postgres is healthy', () => {
    expect(services.migrate!.depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
    for (const name of ['ingest', 'management-api', 'deadline-scheduler', 'notifier']) {
      expect(services[name]!.depends_on).toMatchObject({ migrate: { condition: 'service_completed_successfully' } });
    }
  });

  it('gives the keys of ping URLs to those that sign or check them, and to nobody else', () => {
    const holders = Object.entries(services).filter(
      ([, { environment }]) => environment?.PING_TOKEN_KEYS !== undefined,
    );
    expect(holders.map(([name]) => name).sort()).toEqual(['ingest', 'management-api', 'migrate']);
  });
});
