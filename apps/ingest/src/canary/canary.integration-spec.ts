import { randomBytes } from 'node:crypto';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Module } from '@nestjs/common';
import { type Absence, applyPulse, emptyProgress, type Pulse, withAbsences } from '@flatline/domain';
import { eventParser, ingestPulsed, PINGS_TOPIC } from '@flatline/events';
import { type Infrastructure, openInfrastructure } from '@flatline/infrastructure';
import { migrate } from '@flatline/persistence';
import { createKernel, type Kernel, KernelModule, loadConfig, startHttpApplication } from '@flatline/service-kernel';
import { eventually, freePort, useTestDatabase } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { IngestModule } from '../ingest.module';
import { callCanary } from './call-canary';
import { CANARY_PATH } from './canary-route';

@Module({})
class Root {}

const database = useTestDatabase('canary');
const LEASE_SECONDS = 2;
const parse = eventParser(ingestPulsed);

/** What stands between jobs and ingests; it can be cut and mended. */
class Front {
  private server: Server | null = null;
  private readonly sockets = new Set<Socket>();

  constructor(
    readonly port: number,
    private readonly targetPort: number,
  ) {}

  async mend(): Promise<void> {
    this.server = createServer((socket) => {
      const target = connect(this.targetPort, '127.0.0.1');
      for (const each of [socket, target]) {
        this.sockets.add(each);
        each.on('error', () => each.destroy());
        each.on('close', () => this.sockets.delete(each));
      }
      socket.pipe(target).pipe(socket);
    });
    await new Promise<void>((resolve) => this.server?.listen(this.port, '127.0.0.1', resolve));
  }

  cut(): void {
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

describe('an ingest that calls itself through the public address', () => {
  let kernel: Kernel;
  let infrastructure: Infrastructure;
  let front: Front;
  let base: string;

  beforeAll(async () => {
    await migrate(database.url);
    const [port, frontPort] = [await freePort(), await freePort()];
    const config = {
      ...loadConfig({
        PORT: String(port),
        LOG_LEVEL: 'silent',
        PING_TOKEN_KEYS: randomBytes(32).toString('base64url'),
        PING_PARTITIONS: '1',
        CANARY_URL: `http://127.0.0.1:${frontPort}/`,
      }),
      // Shorter than it may be set, so that the test need not wait.
      INGEST_LEASE_SECONDS: LEASE_SECONDS,
    };
    front = new Front(frontPort, port);
    await front.mend();
    kernel = createKernel(config);
    infrastructure = await openInfrastructure(kernel, database.url);
    const ingest = IngestModule.forRoot({ exclusiveId: 'embedded', onFenced: () => {}, onStuck: () => {} });
    const imports = [KernelModule.forRoot(kernel, infrastructure.providers), ingest];
    await startHttpApplication({ module: Root, imports }, kernel);
    base = `http://127.0.0.1:${port}`;
    await eventually(async () => {
      if (!(await fetch(`${base}/readyz`)).ok) throw new Error('the ingest is not ready');
    });
  });
  afterAll(async () => {
    await kernel.shutdown.run(9_000);
    front.cut();
  });

  /** All pulses so far, with the time the log took them. */
  async function pulses(): Promise<{ pulse: Pulse; appendedAt: number }[]> {
    const read: { pulse: Pulse; appendedAt: number }[] = [];
    const { end } = await infrastructure.log.bounds(PINGS_TOPIC, 0);
    const subscription = await infrastructure.log.consume({
      topic: PINGS_TOPIC,
      group: `test-${uuidv7()}`,
      maxRecords: 1_000,
      handler: {
        position: () => Promise.resolve(0),
        handle: async (_partition, records) =>
          void read.push(...records.map(({ value, appendedAt }) => ({ pulse: parse(value).data, appendedAt }))),
      },
    });
    await eventually(() => {
      if (read.length < end) throw new Error('there is more to read');
    });
    await subscription.close();
    return read;
  }

  /** What a scheduler makes of them. */
  async function absences(): Promise<readonly Absence[]> {
    let progress = emptyProgress;
    let found: readonly Absence[] = [];
    for (const { pulse, appendedAt } of await pulses()) {
      const result = applyPulse(progress, pulse, appendedAt, LEASE_SECONDS * 1000);
      progress = result.progress;
      found = withAbsences(found, result.absences);
    }
    return found;
  }

  const reachable = async (): Promise<string | undefined> =>
    /^flatline_ingest_reachable (\d)$/m.exec(await kernel.metrics.registry.metrics())?.[1];
  const lastPulse = async (): Promise<Pulse> => (await pulses()).at(-1)!.pulse;

  it('answers which ingest it is, under a URL that goes where pings go', async () => {
    const answer = await fetch(`http://127.0.0.1:${front.port}${CANARY_PATH}`);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toEqual({ status: 'ok', ingest: 'embedded' });
  });

  /**
   * Guarded by `reachedUpTo` in apps/ingest/src/partition-standing.ts and `Reachability.look` beside this file.
   */
  it('says that jobs cannot reach it while the front is cut, from its first instant to its last, and stays ready', async () => {
    await eventually(async () => {
      const { lowWatermark, acceptingSince } = await lastPulse();
      expect(lowWatermark).toBeGreaterThan(Math.max(acceptingSince, Date.now() - 1_500));
    });
    const before = await absences();
    const cutAt = Date.now();
    front.cut();
    await eventually(async () => expect(await reachable()).toBe('0'), { withinMs: 10_000 });
    // While it was not sure it claimed nothing; now it does again, and says that no job can come.
    await eventually(
      async () => {
        const { lowWatermark, acceptingSince } = await lastPulse();
        expect(acceptingSince).toBeGreaterThan(cutAt + (LEASE_SECONDS * 1000) / 2);
        expect(lowWatermark).toBeLessThanOrEqual(acceptingSince + 1);
      },
      { withinMs: 10_000 },
    );
    expect((await fetch(`${base}/readyz`)).status).toBe(200);

    const mendedAt = Date.now();
    await front.mend();
    await eventually(async () => expect(await reachable()).toBe('1'), { withinMs: 10_000 });
    await eventually(
      async () => {
        const { lowWatermark, acceptingSince } = await lastPulse();
        expect(lowWatermark).toBeGreaterThan(acceptingSince + 500);
      },
      { withinMs: 10_000 },
    );
    const found = (await absences()).slice(before.length);
    expect(found).toHaveLength(1);
    expect(found[0]!.startedAt).toBeLessThanOrEqual(cutAt);
    expect(found[0]!.startedAt).toBeGreaterThan(cutAt - 5_000);
    expect(found[0]!.endedAt).toBeGreaterThanOrEqual(mendedAt);
  });
});

describe('a call through the public address', () => {
  const servers: HttpServer[] = [];
  afterAll(() => servers.forEach((server) => server.closeAllConnections()));
  afterAll(() => Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve)))));

  async function call(answer: Parameters<typeof createHttpServer>[1]): Promise<string> {
    const server = createHttpServer({}, answer);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return callCanary({ baseUrl: `http://127.0.0.1:${port}`, installation: 'ours', timeoutMs: 300 });
  }

  it.each([
    ['an ingest of ours', 200, { 'flatline-installation': 'ours' }, 'answered'],
    ['an ingest of somebody else', 200, { 'flatline-installation': 'theirs' }, 'wrong_answer'],
    ['any other server', 200, {}, 'wrong_answer'],
    ['a front whose ingests are away', 503, {}, 'wrong_answer'],
    ['a redirect, which jobs may not follow', 302, { location: '/', 'flatline-installation': 'ours' }, 'wrong_answer'],
  ])('is told from the answer of %s', async (_who, status, headers, expected) => {
    expect(await call((_request, response) => response.writeHead(status, headers).end())).toBe(expected);
  });

  it('is not waited for', async () => {
    expect(await call(() => {})).toBe('no_answer');
    const port = await freePort();
    const target = { baseUrl: `http://127.0.0.1:${port}`, installation: 'ours', timeoutMs: 300 };
    expect(await callCanary(target)).toBe('no_answer');
  });
});
