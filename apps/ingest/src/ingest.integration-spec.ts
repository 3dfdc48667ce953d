import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Module } from '@nestjs/common';
import { mintPingToken, type TokenKeyring } from '@flatline/domain';
import { eventParser, ingestPulsed, pingReceived, PINGS_TOPIC } from '@flatline/events';
import { openInfrastructure, type Infrastructure } from '@flatline/infrastructure';
import { DatabaseSession, DefinitionAnnouncer, type DefinitionNotice, migrate } from '@flatline/persistence';
import {
  createKernel,
  KernelModule,
  loadConfig,
  startHttpApplication,
  SystemClock,
  type Kernel,
} from '@flatline/service-kernel';
import { eventually, startTestPostgres, type TestPostgres } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { IngestModule } from './ingest.module';

@Module({})
class Root {}

jest.setTimeout(60_000);

const KEY = randomBytes(32);
const parse = eventParser(pingReceived, ingestPulsed);

describe('the ingest over a Postgres that freezes and comes back', () => {
  let postgres: TestPostgres;
  let kernel: Kernel;
  let infrastructure: Infrastructure;
  let base: string;
  const system = new SystemClock();
  /** How far the clock of the ingest is ahead, ms. */
  let aheadMs = 0;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    await migrate(postgres.url);
    const config = loadConfig({
      PORT: '0',
      LOG_LEVEL: 'silent',
      PING_TOKEN_KEYS: KEY.toString('base64url'),
      PING_PARTITIONS: '2',
    });
    kernel = createKernel(config, {
      clock: { now: () => system.now() + aheadMs, monotonic: () => system.monotonic() },
    });
    infrastructure = await openInfrastructure(kernel, postgres.url);
    const ingest = IngestModule.forRoot({ exclusiveId: 'embedded', onFenced: () => {}, onStuck: () => {} });
    const imports = [KernelModule.forRoot(kernel, infrastructure.providers), ingest];
    const { port } = await startHttpApplication({ module: Root, imports }, kernel);
    base = `http://127.0.0.1:${port}`;
    await eventually(async () => {
      if (!(await fetch(`${base}/readyz`)).ok) throw new Error('the ingest is not ready');
    });
  });
  afterAll(async () => {
    await kernel.shutdown.run(9_000);
    await postgres.stop();
  });

  const tokenOf = (heartbeatId: string, generation = 0): string =>
    mintPingToken({ heartbeatId, generation }, [KEY] as TokenKeyring);
  const ping = (token: string, init: RequestInit = { method: 'POST' }): Promise<Response> =>
    fetch(`${base}/v1/heartbeats/${token}/ping`, init);

  /** Everything the log holds of the pings topic. */
  async function logged() {
    const events: (ReturnType<typeof parse> & { readonly partition: number })[] = [];
    const bounds = await Promise.all([0, 1].map((partition) => infrastructure.log.bounds(PINGS_TOPIC, partition)));
    let left = bounds.reduce((sum, each) => sum + each.end - each.start, 0);
    const subscription = await infrastructure.log.consume({
      topic: PINGS_TOPIC,
      group: `test-${uuidv7()}`,
      maxRecords: 1_000,
      handler: {
        position: (partition) => Promise.resolve(bounds[partition]!.start),
        handle: (partition, records) => {
          events.push(...records.map((record) => ({ ...parse(record.value), partition })));
          left -= records.length;
          return Promise.resolve();
        },
      },
    });
    await eventually(() => expect(left).toBeLessThanOrEqual(0));
    await subscription.close();
    return events;
  }

  it('keeps what a job sent with its ping, cut to 10 kB, whatever it is', async () => {
    const heartbeatId = uuidv7();
    const body = Buffer.concat([Buffer.from('{"broken": '), randomBytes(200_000)]);
    const response = await ping(tokenOf(heartbeatId), {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'user-agent': 'backup/1.0' },
    });
    const answer = (await response.json()) as { status: string; id: string };
    expect(response.status).toBe(200);
    expect(answer).toEqual({ status: 'ok', id: response.headers.get('ping-id') });
    expect(response.headers.get('ping-body-limit')).toBe('10000');
    const event = (await logged()).find((each) => each.id === answer.id);
    expect(event?.data).toMatchObject({ heartbeatId, kind: 'success', method: 'POST', userAgent: 'backup/1.0' });
    const kept = Buffer.from((event?.data as { bodyBase64: string }).bodyBase64, 'base64');
    expect(kept.equals(body.subarray(0, 10_000))).toBe(true);
  });

  it('refuses what is not a token without touching the log', async () => {
    const before = (await logged()).filter((event) => event.type === 'ping.received').length;
    for (const token of [uuidv7(), 'x', `${tokenOf(uuidv7()).slice(0, -1)}!`, randomBytes(33).toString('base64url')]) {
      const response = await ping(token);
      expect(response.status).toBe(404);
      expect(await response.json()).toEqual({ error: 'not found' });
    }
    expect((await logged()).filter((event) => event.type === 'ping.received')).toHaveLength(before);
  });

  it('knows of a pause, a rotated token and a deletion before the API that announces them answers', async () => {
    const heartbeatId = uuidv7();
    const session = new DatabaseSession(postgres.url, () => {});
    const announcer = new DefinitionAnnouncer(session, () => {});
    const announce = async (change: Partial<DefinitionNotice>): Promise<void> => {
      const notice = { heartbeatId, version: 2, paused: false, deleted: false, tokenGeneration: 0, ...change };
      const { heard } = await infrastructure.dataSource.transaction((manager) => announcer.announce(manager, notice));
      await heard;
    };
    await announce({ paused: true });
    expect(await (await ping(tokenOf(heartbeatId))).json()).toMatchObject({ status: 'paused' });
    await announce({ version: 3, tokenGeneration: 1 });
    expect((await ping(tokenOf(heartbeatId))).status).toBe(404);
    expect(await (await ping(tokenOf(heartbeatId, 1))).json()).toMatchObject({ status: 'ok' });
    await announce({ version: 4, tokenGeneration: 1, deleted: true });
    expect((await ping(tokenOf(heartbeatId, 1))).status).toBe(404);
    await session.stop();
  });

  it('says of a ping that came while the process stood still since when it can have been waiting', async () => {
    // Guarded by `IngestClock.arrivedAfter`: what is read in the first turns after a stall came during it.
    const heartbeatId = uuidv7();
    const { hostname, port } = new URL(base);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    await ping(tokenOf(heartbeatId)); // the server has accepted the connection by now, and waits for a request
    const sentAt = Date.now();
    socket.write(`GET /v1/heartbeats/${tokenOf(heartbeatId)}/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    while (Date.now() < sentAt + 900); // the request is with the kernel; nobody reads it
    const answer = String(await once(socket, 'data'));
    expect(answer).toContain('HTTP/1.1 200');
    const events = await logged();
    const read = events.flatMap((event) =>
      event.type === 'ping.received' && event.data.heartbeatId === heartbeatId ? [event.data] : [],
    );
    expect(read[0]).not.toHaveProperty('arrivedAfter');
    expect(read[1]!.receivedAt).toBeGreaterThanOrEqual(sentAt + 900);
    expect(read[1]!.arrivedAfter).toBeLessThanOrEqual(sentAt);
    expect(read[1]!.arrivedAfter).toBeGreaterThan(sentAt - 500);
    // No pulse in front of it claims more than that.
    const place = events.findIndex((event) => event.data === read[1]);
    const ahead = events.slice(0, place).filter(({ partition }) => partition === events[place]!.partition);
    const claims = ahead.flatMap((event) => (event.type === 'ingest.pulsed' ? [event.data.lowWatermark] : []));
    expect(Math.max(...claims)).toBeLessThanOrEqual(read[1]!.arrivedAfter!);
  });

  it('answers 503 with Retry-After within 5 s while the log is frozen, and loses nothing it acknowledged', async () => {
    const heartbeatId = uuidv7();
    const acknowledged = [(await (await ping(tokenOf(heartbeatId))).json()) as { id: string }];
    postgres.freeze();
    try {
      const startedAt = performance.now();
      const responses = await Promise.all(Array.from({ length: 20 }, () => ping(tokenOf(heartbeatId))));
      expect(performance.now() - startedAt).toBeLessThan(5_500);
      for (const response of responses) {
        expect(response.status).toBe(503);
        expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      }
      await eventually(async () => {
        const again = performance.now();
        expect((await ping(tokenOf(heartbeatId))).status).toBe(503);
        // Fenced by now: turned away at once, nobody waits.
        expect(performance.now() - again).toBeLessThan(500);
      });
      expect((await fetch(`${base}/healthz`)).status).toBe(200);
      expect((await fetch(`${base}/readyz`)).status).toBe(503);
    } finally {
      postgres.thaw();
    }
    await eventually(async () => {
      const response = await ping(tokenOf(heartbeatId));
      expect(response.status).toBe(200);
      acknowledged.push((await response.json()) as { id: string });
    });
    const events = await logged();
    const ids = new Set(events.map((event) => event.id));
    for (const { id } of acknowledged) expect(ids.has(id)).toBe(true);
    const spells = events.flatMap((event) => (event.type === 'ingest.pulsed' ? [event.data.acceptingSince] : []));
    await eventually(() => expect(new Set(spells).size).toBeGreaterThan(1));
  });

  it('is a matter for the operator while its clock is wrong, and not any more when it is right', async () => {
    const conditions = async () => (await kernel.health.findings()).map(({ condition }) => condition);
    expect(await conditions()).not.toContain('clock_skewed');
    aheadMs = 60_000;
    await eventually(async () => expect(await conditions()).toContain('clock_skewed'));
    aheadMs = 0;
    await eventually(async () => expect(await conditions()).not.toContain('clock_skewed'), { withinMs: 20_000 });
  });
});
