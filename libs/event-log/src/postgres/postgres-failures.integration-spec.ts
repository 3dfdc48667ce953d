import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { eventually, useTestDatabase } from '@flatline/test-kit';
import { Client } from 'pg';
import { AppendRejected, AppendUnresolved, ProducerFenced } from '../errors';
import type { EventLog, LogProducer } from '../event-log';
import { openPostgresEventLog } from './postgres-event-log';

jest.setTimeout(60_000);

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const TOPIC = 'test.failures';

describe('appends on Postgres when something breaks', () => {
  const database = useTestDatabase('logfailures');
  let log: EventLog;
  let admin: Client;
  const closers: (() => Promise<unknown> | unknown)[] = [];
  let readers = 0;

  beforeEach(async () => {
    admin = new Client({ connectionString: database.url });
    await admin.connect();
    await admin.query('DROP SCHEMA IF EXISTS flatline_log CASCADE');
    log = await openLog(database.url);
    await log.ensureTopics([{ name: TOPIC, partitions: 2, retentionMs: 3_600_000 }]);
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await admin.end();
  });

  async function openLog(url: string, appendTimeoutMs?: number): Promise<EventLog> {
    const opened = await openPostgresEventLog({ url, logger: quiet, appendTimeoutMs });
    closers.push(() => opened.close());
    return opened;
  }

  const append = (producer: LogProducer, text: string, partition = 0): Promise<unknown> =>
    producer.append(TOPIC, [{ partition, key: text, value: Buffer.from(text) }]);

  /** All of partition 0, by a group of its own. */
  async function stored(): Promise<string[]> {
    const found: string[] = [];
    const { end } = await log.bounds(TOPIC, 0);
    const subscription = await log.consume({
      topic: TOPIC,
      group: `reader-${++readers}`,
      maxRecords: 100,
      handler: {
        position: async () => 0,
        handle: async (partition, records) => {
          if (partition === 0) found.push(...records.map(({ key }) => key));
        },
      },
    });
    await eventually(() => expect(found.length).toBeGreaterThanOrEqual(end));
    await subscription.close();
    return found;
  }

  async function producerBackends(): Promise<number[]> {
    const { rows } = await admin.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'flatline-log producer'`,
    );
    return rows.map(({ pid }) => pid);
  }

  async function timed(promise: Promise<unknown>): Promise<{ error: unknown; ms: number }> {
    const startedAt = performance.now();
    const error = await promise.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    return { error, ms: performance.now() - startedAt };
  }

  it('gives up on a frozen backend in time, and what that backend does later is refused', async () => {
    const producer = await log.producer({ exclusiveId: 'ingest' });
    await append(producer, 'before');
    const [pid] = (await producerBackends()) as [number];
    process.kill(pid, 'SIGSTOP');
    try {
      const { error, ms } = await timed(append(producer, 'frozen'));
      expect(error).toBeInstanceOf(AppendUnresolved);
      expect(ms).toBeGreaterThan(3_900);
      expect(ms).toBeLessThan(4_500);
      await append(producer, 'after');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await eventually(async () => expect(await producerBackends()).not.toContain(pid));
    await append(producer, 'last');
    await expect(stored()).resolves.toEqual(['before', 'after', 'last']);
  });

  it('settles an append whose connection was given up while it waited, before the next one is stored', async () => {
    const impatient = await openLog(database.url, 1_500);
    const producer = await impatient.producer();
    await append(producer, 'before');
    await admin.query('BEGIN');
    await admin.query('SELECT 1 FROM flatline_log.log_partition WHERE partition = 0 FOR UPDATE');
    expect((await timed(append(producer, 'waiting'))).error).toBeInstanceOf(AppendUnresolved);
    let isStored = false;
    const next = append(producer, 'next', 1).then(() => (isStored = true));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(isStored).toBe(false); // what came before it is not settled yet
    await admin.query('COMMIT');
    await next;
    const settled = await stored();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await append(producer, 'last');
    await expect(stored()).resolves.toEqual([...settled, 'last']);
  });

  it('calls an append unresolved when the server shuts its session down in the middle of it', async () => {
    const producer = await log.producer();
    await append(producer, 'before');
    await admin.query('BEGIN');
    await admin.query('SELECT 1 FROM flatline_log.log_partition WHERE partition = 0 FOR UPDATE');
    const cut = timed(append(producer, 'cut'));
    await eventually(async () => {
      const { rows } = await admin.query('SELECT 1 FROM pg_locks WHERE NOT granted');
      expect(rows).toHaveLength(1);
    });
    await admin.query('SELECT pg_terminate_backend(p) FROM unnest($1::int[]) AS p', [await producerBackends()]);
    expect((await cut).error).toBeInstanceOf(AppendUnresolved);
    await admin.query('COMMIT');
    await append(producer, 'after');
    await expect(stored()).resolves.toEqual(['before', 'after']);
  });

  it('ends as a clear refusal when a lock keeps it waiting', async () => {
    const producer = await log.producer();
    await append(producer, 'before');
    await admin.query('BEGIN');
    await admin.query('SELECT 1 FROM flatline_log.log_partition WHERE partition = 0 FOR UPDATE');
    expect((await timed(append(producer, 'waiting'))).error).toBeInstanceOf(AppendRejected);
    await admin.query('COMMIT');
    await append(producer, 'after');
    await expect(stored()).resolves.toEqual(['before', 'after']);
  });

  it('calls an append unresolved when it was committed and the answer got lost, and stores the next one after it', async () => {
    const proxy = await startProxy(database.url);
    closers.push(() => proxy.stop());
    const remote = await openLog(proxy.url);
    const producer = await remote.producer({ exclusiveId: 'ingest' });
    await append(producer, 'before');
    proxy.swallowAnswers = true;
    const lost = timed(append(producer, 'committed'));
    await eventually(async () => expect((await log.bounds(TOPIC, 0)).end).toBe(2));
    proxy.swallowAnswers = false;
    proxy.cut();
    expect((await lost).error).toBeInstanceOf(AppendUnresolved);
    await append(producer, 'next');
    await expect(stored()).resolves.toEqual(['before', 'committed', 'next']);
  });

  it('says that nothing was sent when the server cannot be reached, and appends again when it can', async () => {
    const proxy = await startProxy(database.url);
    closers.push(() => proxy.stop());
    const remote = await openLog(proxy.url);
    const producer = await remote.producer();
    await append(producer, 'before');
    proxy.refuse = true;
    proxy.cut();
    await eventually(async () => expect(await producerBackends()).toEqual([]));
    await timed(append(producer, 'never')); // may still have gone into the connection that was cut
    for (let round = 0; round < 3; round++) {
      const { error, ms } = await timed(append(producer, 'never'));
      expect(error).toBeInstanceOf(AppendRejected);
      expect(ms).toBeLessThan(4_500);
    }
    expect(remote.troubles()).toMatchObject([{ kind: 'away', sentence: expect.stringMatching('does not answer') }]);
    proxy.refuse = false;
    await append(producer, 'after');
    await eventually(() => expect(remote.troubles()).toEqual([]));
    await expect(stored()).resolves.toEqual(['before', 'after']);
  });

  it('stores exactly what was acknowledged, in order, while backends are killed again and again', async () => {
    const producer = await log.producer({ exclusiveId: 'ingest' });
    const acknowledged: string[] = [];
    const unresolved: string[] = [];
    const rejected: string[] = [];
    let killing = true;
    const killer = (async () => {
      while (killing) {
        await admin.query('SELECT pg_terminate_backend(p) FROM unnest($1::int[]) AS p', [await producerBackends()]);
        await new Promise((resolve) => setTimeout(resolve, 7 + (acknowledged.length % 11)));
      }
    })();
    for (let number = 0; number < 600; number++) {
      const text = `${number}`;
      const { error } = await timed(append(producer, text));
      (error === null ? acknowledged : error instanceof AppendUnresolved ? unresolved : rejected).push(text);
    }
    killing = false;
    await killer;
    await append(producer, 'last');
    const found = await stored();
    expect(found.filter((text) => !unresolved.includes(text))).toEqual([...acknowledged, 'last']);
    expect(found.filter((text) => rejected.includes(text))).toEqual([]);
    expect(found).toEqual([...new Set(found)].sort((a, b) => Number(a) - Number(b) || (a === 'last' ? 1 : -1)));
    expect(unresolved.length + rejected.length).toBeGreaterThan(0);
  });

  describe('an exclusive identity', () => {
    it('belongs to whoever opened it last, and its epoch counts the openings', async () => {
      const first = await log.producer({ exclusiveId: 'ingest' });
      await append(first, 'a');
      const second = await (await openLog(database.url)).producer({ exclusiveId: 'ingest' });
      const stranger = await log.producer({ exclusiveId: 'other' });
      expect([first.epoch, second.epoch, stranger.epoch]).toEqual([1, 2, 1]);
      await expect(append(first, 'b')).rejects.toThrow(ProducerFenced);
      await append(second, 'c');
      await expect(append(first, 'd')).rejects.toThrow(ProducerFenced);
      await expect(stored()).resolves.toEqual(['a', 'c']);
    });

    it('fences a producer that never got to append, and one that has to connect anew', async () => {
      const idle = await log.producer({ exclusiveId: 'ingest' });
      await log.producer({ exclusiveId: 'ingest' });
      await expect(append(idle, 'a')).rejects.toThrow(ProducerFenced);
      await expect(stored()).resolves.toEqual([]);
    });
  });

  it('gives a producer whose identity was swept a new one', async () => {
    const producer = await log.producer();
    await append(producer, 'a');
    await admin.query('DELETE FROM flatline_log.log_producer');
    await expect(append(producer, 'b')).rejects.toThrow(AppendRejected);
    await append(producer, 'c');
    await expect(stored()).resolves.toEqual(['a', 'c']);
  });
});

interface Proxy {
  url: string;
  /** What the server says does not arrive. */
  swallowAnswers: boolean;
  refuse: boolean;
  cut(): void;
  stop(): Promise<void>;
}

/** A TCP proxy in front of the server, to lose what a network can lose. */
async function startProxy(url: string): Promise<Proxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    if (proxy.refuse) return client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('data', (data) => upstream.write(data));
    client.on('close', () => upstream.destroy());
    upstream.on('data', (data) => proxy.swallowAnswers || client.write(data));
    upstream.on('close', () => client.destroy());
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxied = new URL(url);
  proxied.hostname = '127.0.0.1';
  proxied.port = String((server.address() as AddressInfo).port);
  const proxy: Proxy = {
    url: proxied.href,
    swallowAnswers: false,
    refuse: false,
    cut: () => sockets.forEach((socket) => socket.destroy()),
    stop: () => {
      proxy.cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}
