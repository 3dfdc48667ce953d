import { randomBytes } from 'node:crypto';
import { Module } from '@nestjs/common';
import { DeadlineSchedulerModule } from '@flatline/app-deadline-scheduler';
import { IngestModule } from '@flatline/app-ingest';
import { mintPingToken } from '@flatline/domain';
import { openInfrastructure, type Infrastructure } from '@flatline/infrastructure';
import { migrate } from '@flatline/persistence';
import { createKernel, KernelModule, loadConfig, startHttpApplication, type Kernel } from '@flatline/service-kernel';
import { createTestDatabase, eventually, type TestDatabase, useDatabaseClock } from '@flatline/test-kit';
import { TIMERS, type Timers, type WakeQueue } from '@flatline/timers';
import { v7 as uuidv7 } from 'uuid';

@Module({})
class Root {}

jest.setTimeout(90_000);

const KEY = randomBytes(32);
const PROJECT = uuidv7();
const HOUR = 3_600_000;
const LEASE_MS = 3_000;

/** BullMQ goes by the machine's clock, which a test cannot set: so nothing wakes here, and the sweep does it all. */
const failing = {
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
  wakeAt: () => Promise.reject(new Error('no timers here')),
  cancel: () => Promise.resolve(),
  isIntact: () => Promise.resolve(true),
  missing: () => Promise.resolve(null),
} as unknown as WakeQueue;
const timers = { queue: () => failing } as unknown as Timers;

describe('a machine whose clock is set by an hour', () => {
  let database: TestDatabase;
  let kernel: Kernel;
  let infrastructure: Infrastructure;
  let base: string;
  const stopping: (() => void)[] = [];
  let aheadMs = 0;
  let setLogClock: (aheadMs: number) => Promise<void>;

  beforeAll(async () => {
    database = await createTestDatabase('steps');
    await migrate(database.url);
    setLogClock = await useDatabaseClock(database.url);
    const config = loadConfig({
      PORT: '0',
      LOG_LEVEL: 'silent',
      PING_TOKEN_KEYS: KEY.toString('base64url'),
      PING_PARTITIONS: '1',
    });
    kernel = createKernel(
      { ...config, INGEST_LEASE_SECONDS: LEASE_MS / 1_000 },
      { clock: { now: () => Date.now() + aheadMs, monotonic: () => performance.now() } },
    );
    infrastructure = await openInfrastructure(kernel, database.url, {
      outbox: false,
      readyWith: ['event log'],
      watchesInstallation: false,
    });
    const providers = [...infrastructure.providers, { provide: TIMERS, useValue: timers }];
    const ingest = IngestModule.forRoot({ exclusiveId: 'embedded', onFenced: () => {}, onStuck: () => {} });
    const imports = [KernelModule.forRoot(kernel, providers), ingest, DeadlineSchedulerModule.forRoot()];
    const { port } = await startHttpApplication({ module: Root, imports }, kernel);
    base = `http://127.0.0.1:${port}`;
  });
  afterAll(async () => {
    stopping.forEach((stop) => stop());
    await kernel.shutdown.run(9_000);
    await database.drop();
  });

  const rows = <Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> =>
    infrastructure.dataSource.query<Row[]>(sql, parameters);
  /** All clocks of the machine: that of the services and that of the log. */
  async function setClock(to: number): Promise<void> {
    aheadMs = to;
    await setLogClock(to);
  }
  /** Every second, with a second of grace; down at the first miss. */
  async function heartbeat(): Promise<string> {
    const id = uuidv7();
    await rows(`INSERT INTO project (id, name, created_at) VALUES ($1, 'test', now()) ON CONFLICT DO NOTHING`, [
      PROJECT,
    ]);
    await rows(
      `INSERT INTO heartbeat (id, project_id, name, interval_secs, grace_secs, alert_after_misses, schedule_changed_at,
                              created_at, updated_at)
       VALUES ($1, $2, 'job', 1, 1, 1, now() - interval '1 day', now(), now())`,
      [id, PROJECT],
    );
    return id;
  }
  async function ping(id: string): Promise<number> {
    const token = mintPingToken({ heartbeatId: id, generation: 0 }, [KEY]);
    return (await fetch(`${base}/v1/heartbeats/${token}/ping`, { method: 'POST' })).status;
  }
  /** Tries again until it is taken, as a careful job does. */
  const pinged = (id: string): Promise<void> =>
    eventually(async () => expect(await ping(id)).toBe(200), { withinMs: 20_000, everyMs: 100 });
  const incidents = (id: string): Promise<unknown[]> => rows('SELECT 1 FROM incident WHERE heartbeat_id = $1', [id]);
  const untilFound = (id: string): Promise<void> =>
    eventually(async () => expect(await incidents(id)).toHaveLength(1), { withinMs: 20_000 });

  it('forward and back: tells nothing false of a job that goes on, and finds at once one that stops', async () => {
    // Guarded by `PartitionStanding.noteStep`, by `cutTo` in libs/domain/src/watermark.ts, and by `takenBackTo` of
    // `advanceProgress` in apps/deadline-scheduler/src/ping-batch-handler.ts.
    const alive = await heartbeat();
    await pinged(alive);
    const pinging = setInterval(() => void ping(alive).catch(() => 0), 300);
    stopping.push(() => clearInterval(pinging));

    const before = await heartbeat();
    await pinged(before);
    await setClock(HOUR);
    await untilFound(before);
    expect(await incidents(alive)).toEqual([]);

    await setClock(0);
    const after = await heartbeat();
    await pinged(after);
    await untilFound(after);
    const [last] = await rows<{ at: Date }>('SELECT max(received_at) AS at FROM ping WHERE heartbeat_id = $1', [after]);
    expect(Math.abs(last!.at.getTime() - Date.now())).toBeLessThan(60_000);
    expect(await incidents(alive)).toEqual([]);
  });
});
