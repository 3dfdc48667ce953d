import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';

import { eventually, freePort, startTestPostgres, startTestProcess, useTestDatabase } from '@flatline/test-kit';
import { Client } from 'pg';

import { createTimers } from '../create-timers';
import { clock } from '../wake-recorder.contract-suite';
import type { Timers } from '../wake-queue';

jest.setTimeout(60_000);

const HOUR_MS = 3_600_000;
const patiently = { withinMs: 30_000 };

describe('timers on Postgres when something breaks', () => {
  const database = useTestDatabase('timerfailures');
  const lines: string[] = [];
  const errors: unknown[] = [];
  const log = ({ err }: { err?: unknown }, message: string): void => {
    lines.push(message);
    errors.push(err);
  };
  const logger = { info: () => undefined, warn: log, error: log };
  const closers: (() => Promise<unknown>)[] = [];

  beforeEach(() => {
    lines.length = errors.length = 0;
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await onServer(database.url, 'DROP SCHEMA IF EXISTS flatline_timers CASCADE');
  });

  const openTimers = async (databaseUrl: string): Promise<Timers> => {
    const timers = await createTimers({ databaseUrl, logger, clock });
    closers.push(() => timers.close());
    return timers;
  };
  const openLink = async (url = database.url): Promise<Link> => {
    const link = await startLink(url);
    closers.push(() => link.close());
    return link;
  };

  it('starts while Postgres is away, says so, and wakes when it is there', async () => {
    const link = await openLink();
    link.refuse = true;
    const queue = (await openTimers(link.url)).queue('deadlines-0');
    const woken: string[] = [];
    await queue.start(async (id) => void woken.push(id), { concurrency: 10 });
    await expect(queue.wakeAt([{ id: 'a', at: 1 }])).rejects.toMatchObject({ name: 'TimersUnavailable' });
    expect(await queue.missing()).toMatch(/^the timers cannot use Postgres: /);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(10);

    link.refuse = false;
    await eventually(() => queue.wakeAt([{ id: 'a', at: 1 }]));
    await eventually(() => expect(woken).toEqual(['a']), patiently);
    await eventually(async () => expect(await queue.missing()).toBeNull());
  });

  it('names a server that is not there', async () => {
    const url = new URL(database.url);
    url.port = String(await freePort());
    const queue = (await openTimers(url.href)).queue('deadlines-0');
    await queue.start(async () => undefined, { concurrency: 1 });
    expect(await queue.missing()).toMatch(/ECONNREFUSED/);
  });

  it('wakes in time after the connection was lost while it slept, and hears of new wake-ups again', async () => {
    const link = await openLink();
    const queue = (await openTimers(link.url)).queue('deadlines-0');
    const other = (await openTimers(database.url)).queue('deadlines-0');
    const woken = new Map<string, number>();
    await queue.start(async (id) => void woken.set(id, clock.now()), { concurrency: 10 });
    await queue.wakeAt([{ id: 'far', at: clock.now() + HOUR_MS }]);
    for (let loss = 0; loss < 3; loss += 1) {
      const during = { id: `during-${loss}`, at: clock.now() + 600 };
      const after = { id: `after-${loss}`, at: clock.now() + 2_500 };
      await queue.wakeAt([during]);
      link.refuse = true;
      link.cut();
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      link.refuse = false;
      await other.wakeAt([after]);
      await eventually(
        () => expect([...woken.keys()]).toEqual(expect.arrayContaining([during.id, after.id])),
        patiently,
      );
      expect((woken.get(after.id) ?? 0) - after.at).toBeLessThan(1_500);
    }
    await eventually(async () => expect(await queue.missing()).toBeNull());
  });

  it('wakes what came due while the server crashed and recovered', async () => {
    const server = await startTestPostgres();
    closers.push(() => server.stop());
    const queue = (await openTimers(server.url)).queue('deadlines-0');
    const woken: string[] = [];
    await queue.start(async (id) => void woken.push(id), { concurrency: 10 });
    const ids = Array.from({ length: 20 }, (_, index) => `heartbeat-${index}`);
    await queue.wakeAt(ids.map((id, index) => ({ id, at: clock.now() + 1_000 + index * 100 })));
    await onServer(server.url, 'CHECKPOINT'); // the timers' own commits do not wait for the disk
    await crash(server.url);
    await eventually(() => expect([...new Set(woken)].sort()).toEqual([...ids].sort()), patiently);
    await eventually(() => queue.wakeAt([{ id: 'next', at: clock.now() + 100 }]), patiently);
    await eventually(() => expect(woken).toContain('next'));
    expect(lines.length).toBeLessThan(10);
    // Of the connections that were lost, no key by which their queries can be cancelled.
    expect(lines).toContain('the connection of the timers failed');
    for (const error of errors) expect(error).not.toHaveProperty('client');
  });

  it('gives up on a server that no longer answers, and closes within 2 s', async () => {
    const link = await openLink();
    const timers = await openTimers(link.url);
    const queue = timers.queue('deadlines-0');
    await queue.start(async () => undefined, { concurrency: 10 });
    await timers.queue('deliveries').start(async () => undefined, { concurrency: 10 });
    await eventually(async () => expect(await queue.missing()).toBeNull());
    link.silent = true;
    const armed = queue.wakeAt([{ id: 'a', at: 1 }]).catch((error: Error) => error.name);
    const askedAtMs = clock.monotonic();
    expect(await queue.missing()).toMatch(/does not answer/);
    expect(clock.monotonic() - askedAtMs).toBeLessThan(2_100);
    const closedFromMs = clock.monotonic();
    await timers.close();
    expect(clock.monotonic() - closedFromMs).toBeLessThan(2_100);
    expect(await armed).toBe('TimersUnavailable');
  });

  it('closes within 2 s while Postgres is away', async () => {
    const link = await openLink();
    const timers = await openTimers(link.url);
    const queue = timers.queue('deadlines-0');
    await queue.start(async () => undefined, { concurrency: 10 });
    await eventually(async () => expect(await queue.missing()).toBeNull());
    link.refuse = true;
    link.cut();
    const closedFromMs = clock.monotonic();
    await timers.close();
    expect(clock.monotonic() - closedFromMs).toBeLessThan(2_100);
  });

  it('wakes again what a killed process held', async () => {
    const library = join(__dirname, '../../../../dist/libs/timers/src/index.js');
    const victim = startTestProcess({
      args: ['-e', HOLDS_FOR_EVER, library, database.url],
    });
    await (
      await openTimers(database.url)
    )
      .queue('deadlines-0')
      .wakeAt(Array.from({ length: 30 }, (_, index) => ({ id: `heartbeat-${index}`, at: clock.now() })));
    await victim.line(/holds 5/);
    await victim.stop('SIGKILL');
    const queue = (await openTimers(database.url)).queue('deadlines-0');
    const woken = new Set<string>();
    await queue.start(async (id) => void woken.add(id), { concurrency: 10 });
    await eventually(() => expect(woken.size).toBe(30), { withinMs: 15_000 });
  });

  it('needs few connections, however many queues there are', async () => {
    const timers = await openTimers(database.url);
    const woken = new Set<string>();
    for (const name of ['deadlines-0', 'deliveries'] as const) {
      await timers.queue(name).start(async (id) => void woken.add(id), { concurrency: 100 });
    }
    const entries = Array.from({ length: 500 }, (_, index) => ({ id: `heartbeat-${index}`, at: clock.now() + 200 }));
    await timers.queue('deadlines-0').wakeAt(entries);
    await eventually(() => expect(woken.size).toBe(500));
    const [row] = await onServer<{ count: number }>(
      database.url,
      `SELECT count(*)::int AS count FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
    );
    expect(row?.count).toBeLessThanOrEqual(4);
  });
});

/** A process that claims wake-ups and never ends them. */
const HOLDS_FOR_EVER = `
  const [library, databaseUrl] = process.argv.slice(1);
  const { createTimers } = require(library);
  const log = (fields, message) => console.log(message, fields.err);
  let held = 0;
  createTimers({
    databaseUrl,
    logger: { info: log, warn: log, error: log },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
  }).then((timers) => timers.queue('deadlines-0').start(() => {
    held += 1;
    console.log('holds ' + held);
    return new Promise(() => undefined);
  }, { concurrency: 5 }));`;

async function onServer<R>(url: string, sql: string): Promise<R[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as R[];
  } finally {
    await client.end();
  }
}

/** Kills a server process as the kernel would; Postgres then drops all its connections and recovers from its log. */
async function crash(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  process.kill(rows[0]?.pid ?? 0, 'SIGKILL');
}

interface Link {
  url: string;
  /** New connections are dropped at once. */
  refuse: boolean;
  /** Nothing is passed on any more, in either direction. */
  silent: boolean;
  /** Drops every connection. */
  cut(): void;
  close(): Promise<void>;
}

/** A TCP proxy in front of the server, to lose what a network can lose. */
async function startLink(url: string): Promise<Link> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    if (link.refuse) {
      near.on('error', () => undefined);
      near.destroy();
      return;
    }
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (data) => link.silent || to.write(data));
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String((server.address() as AddressInfo).port);
  const link: Link = {
    url: through.href,
    refuse: false,
    silent: false,
    cut: () => sockets.forEach((socket) => socket.destroy()),
    close: async () => {
      link.refuse = true;
      link.cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return link;
}
