import { randomBytes } from 'node:crypto';
import { Module, type DynamicModule } from '@nestjs/common';
import { DeadlineSchedulerModule } from '@flatline/app-deadline-scheduler';
import { mintPingToken, shardOf, type TokenKeyring } from '@flatline/domain';
import { AppendRejected, EVENT_LOG, type EventLog, type LogProducer } from '@flatline/event-log';
import { openInfrastructure, type Infrastructure } from '@flatline/infrastructure';
import { IngestModule } from '@flatline/app-ingest';
import { migrate } from '@flatline/persistence';
import { createKernel, KernelModule, loadConfig, startHttpApplication, type Kernel } from '@flatline/service-kernel';
import { createTestDatabase, eventually, startTestKafka, type TestDatabase, type TestKafka } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';

@Module({})
class Root {}

jest.setTimeout(90_000);

const KEY = randomBytes(32);
const KEYRING: TokenKeyring = [KEY];
const PROJECT = uuidv7();
const PARTITIONS = 4;
const LEASE_MS = 3_000;

/** One service with connections of its own, as a process has them. */
class Member {
  private constructor(
    readonly kernel: Kernel,
    readonly infrastructure: Infrastructure,
    readonly base: string,
  ) {}

  static async start(
    { database, kafka }: { database: TestDatabase; kafka: TestKafka | null },
    service: DynamicModule,
    wrap = (log: EventLog) => log,
  ): Promise<Member> {
    const config = loadConfig({
      PORT: '0',
      LOG_LEVEL: 'silent',
      PING_TOKEN_KEYS: KEY.toString('base64url'),
      PING_PARTITIONS: String(PARTITIONS),
      DATABASE_POOL_SIZE: '4',
      ...(kafka && { KAFKA_BROKERS: kafka.brokerList, KAFKA_REPLICATION_FACTOR: '1' }),
    });
    const kernel = createKernel({ ...config, INGEST_LEASE_SECONDS: LEASE_MS / 1_000 });
    const infrastructure = await openInfrastructure(kernel, database.url, {
      outbox: false,
      readyWith: ['event log'],
      watchesInstallation: false,
    });
    const log = { provide: EVENT_LOG, useValue: wrap(infrastructure.log) };
    const providers = [...infrastructure.providers.filter((each) => !isEventLog(each)), log];
    const root = { module: Root, imports: [KernelModule.forRoot(kernel, providers), service] };
    const { port } = await startHttpApplication(root, kernel);
    return new Member(kernel, infrastructure, `http://127.0.0.1:${port}`);
  }

  /** From one moment to the next nothing of it reaches the log any more; it says nothing first. */
  die(): Promise<void> {
    return this.infrastructure.log.close();
  }

  async isReady(): Promise<boolean> {
    return (await fetch(`${this.base}/readyz`)).ok;
  }

  async ping(heartbeatId: string): Promise<number> {
    const token = mintPingToken({ heartbeatId, generation: 0 }, KEYRING);
    return (await fetch(`${this.base}/v1/heartbeats/${token}/ping`, { method: 'POST' })).status;
  }
}

function isEventLog(provider: unknown): boolean {
  return (provider as { provide?: unknown }).provide === EVENT_LOG;
}

/** A log that refuses one partition while `isCut`, as one does whose leader is away; the others are served. */
function cutting(partition: number, isCut: () => boolean): (log: EventLog) => EventLog {
  return cuttingOff((other) => other === partition && isCut());
}

/** A log that refuses partitions, each for as long as a test says so. */
function cuttingOff(isCut: (partition: number) => boolean): (log: EventLog) => EventLog {
  return (log) => {
    const cut = (producer: LogProducer): LogProducer => ({
      epoch: producer.epoch,
      append: async (topic, records) => {
        const refused = [...new Set(records.map(({ partition }) => partition))].filter(isCut);
        if (refused.length === 0) return producer.append(topic, records);
        const rest = records.filter(({ partition }) => !refused.includes(partition));
        if (rest.length > 0) await producer.append(topic, rest);
        throw new AppendRejected('the leaders of the partitions are away', { partitions: refused });
      },
      close: () => producer.close(),
    });
    return Object.assign(Object.create(log) as EventLog, {
      producer: async (options?: { exclusiveId?: string }) => cut(await log.producer(options)),
    });
  };
}

describe('several ingests and several schedulers on one installation', () => {
  let database: TestDatabase;
  /** Where the event log is; in Postgres while there is none. */
  let kafka: TestKafka | null;
  let members: Member[];

  beforeEach(async () => {
    database = await createTestDatabase('several');
    await migrate(database.url);
    kafka = null;
    members = [];
  });
  afterEach(async () => {
    await Promise.all(members.map((member) => member.kernel.shutdown.run(9_000)));
    await database.drop();
    await kafka?.stop();
  });

  async function start(service: DynamicModule, wrap?: (log: EventLog) => EventLog): Promise<Member> {
    const member = await Member.start({ database, kafka }, service, wrap);
    members.push(member);
    return member;
  }
  const startScheduler = (): Promise<Member> => start(DeadlineSchedulerModule.forRoot());
  async function startIngest(wrap?: (log: EventLog) => EventLog): Promise<Member> {
    const ingest = await start(IngestModule.forRoot({ onFenced: () => {}, onStuck: () => {} }), wrap);
    await eventually(async () => expect(await ingest.isReady()).toBe(true));
    return ingest;
  }
  const rows = <Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> =>
    members[0]!.infrastructure.dataSource.query<Row[]>(sql, parameters);

  async function heartbeat(shard?: number): Promise<string> {
    let id = uuidv7();
    while (shard !== undefined && shardOf(id, PARTITIONS) !== shard) id = uuidv7();
    await rows(`INSERT INTO project (id, name, created_at) VALUES ($1, 'test', now()) ON CONFLICT DO NOTHING`, [
      PROJECT,
    ]);
    await rows(
      `INSERT INTO heartbeat (id, project_id, name, interval_secs, grace_secs, alert_after_misses, schedule_changed_at,
                              created_at, updated_at)
       VALUES ($1, $2, 'job', 1, 1, 1, now() - interval '1 hour', now(), now())`,
      [id, PROJECT],
    );
    return id;
  }
  async function watermark(shard: number): Promise<number> {
    const [row] = await rows<{ watermark: Date }>(
      `SELECT watermark FROM consumer_offset WHERE consumer_group = 'deadline-scheduler'
         AND topic = 'flatline.pings.v1' AND partition = $1 AND watermark IS NOT NULL`,
      [shard],
    );
    if (!row) throw new Error(`shard ${shard} has no watermark`);
    return row.watermark.getTime();
  }
  const incidents = (id: string): Promise<unknown[]> => rows('SELECT * FROM incident WHERE heartbeat_id = $1', [id]);
  async function everyWatermarkPasses(at: number): Promise<void> {
    await eventually(
      async () => {
        for (let shard = 0; shard < PARTITIONS; shard += 1) expect(await watermark(shard)).toBeGreaterThan(at);
      },
      { withinMs: 20_000 },
    );
  }
  /** Pings all of them three times a second until it is told to stop; returns how many got a 200. */
  function keepPinging(ingest: Member, ids: readonly string[]): () => Promise<Map<string, number>> {
    const answered = new Map<string, number>(ids.map((id) => [id, 0]));
    let going = true;
    const loop = (async () => {
      while (going) {
        for (const id of ids) if ((await ingest.ping(id)) === 200) answered.set(id, answered.get(id)! + 1);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    })();
    return async () => {
      going = false;
      await loop;
      return answered;
    };
  }

  it.each([
    ['the embedded log', false],
    ['Kafka', true],
  ])(
    'share the shards of %s and go on when an ingest and a scheduler die: nothing false, missed or twice',
    async (_log, onKafka) => {
      if (onKafka) kafka = await startTestKafka();
      const schedulers = [await startScheduler(), await startScheduler()];
      const [survivor, dying] = [await startIngest(), await startIngest()];
      const kept = await Promise.all([0, 1, 2, 3].map((shard) => heartbeat(shard)));
      const orphaned = await heartbeat(0);
      const stopPinging = keepPinging(survivor, kept);
      expect(await dying.ping(orphaned)).toBe(200);
      await everyWatermarkPasses(Date.now());
      await eventually(async () => {
        for (const scheduler of schedulers) expect(await scheduler.isReady()).toBe(true);
      });

      await Promise.all([dying.die(), schedulers[1]!.die()]);
      const diedAt = Date.now();
      // An ingest is ready once it accepts for one partition: while it opens, it may have turned a ping of another away.
      const absencesAtFirst = await rows('SELECT * FROM absence');
      // While its lease runs the watermark waits for the dead ingest, so nothing is judged, right or wrong.
      await eventually(() => expect(Date.now()).toBeGreaterThan(diedAt + 800), { withinMs: 2_000 });
      expect(await watermark(0)).toBeLessThanOrEqual(diedAt);
      expect(await incidents(orphaned)).toEqual([]);
      await everyWatermarkPasses(diedAt + LEASE_MS);
      await eventually(async () => expect(await incidents(orphaned)).toHaveLength(1), { withinMs: 10_000 });
      for (const id of kept) expect(await incidents(id)).toEqual([]);
      expect(await rows('SELECT * FROM absence')).toEqual(absencesAtFirst);
      await eventually(async () => expect(await schedulers[0]!.isReady()).toBe(true));

      const acknowledged = await stopPinging();
      await eventually(
        async () => {
          for (const id of kept) expect(await incidents(id)).toHaveLength(1);
        },
        { withinMs: 20_000 },
      );
      for (const id of kept) {
        const history = await rows<{ id: string }>('SELECT id FROM ping WHERE heartbeat_id = $1', [id]);
        expect(history).toHaveLength(acknowledged.get(id)!);
      }
    },
  );

  it('judge on when an ingest is cut off from one partition: it answers 503 there, and another takes the pings', async () => {
    let isCut = false;
    await startScheduler();
    const whole = await startIngest();
    const cut = await startIngest(cutting(1, () => isCut));
    const [beyond, beside] = [await heartbeat(1), await heartbeat(2)];
    const stopPinging = keepPinging(whole, [beyond, beside]);
    expect(await cut.ping(beyond)).toBe(200);
    isCut = true;
    const cutAt = Date.now();
    await eventually(async () => expect(await cut.ping(beyond)).toBe(503), { withinMs: 10_000 });
    expect(await cut.ping(beside)).toBe(200);
    expect(await cut.isReady()).toBe(true);
    await everyWatermarkPasses(cutAt + LEASE_MS);
    expect([...(await incidents(beyond)), ...(await incidents(beside))]).toEqual([]);
    expect(await rows('SELECT * FROM absence')).toEqual([]);

    isCut = false;
    await eventually(async () => expect(await cut.ping(beyond)).toBe(200), { withinMs: 10_000 });
    await stopPinging();
    await eventually(async () => expect(await incidents(beyond)).toHaveLength(1), { withinMs: 20_000 });
  });

  it('leave an absence where nobody took pings: of one partition, and of all, with nothing lost that was acknowledged', async () => {
    // Guarded by `PartitionStanding.mayAccept` and `claim`, and by step 7 of `applyPulse` in libs/domain/src/watermark.ts.
    const cut = new Set<number>();
    await startScheduler();
    const ingest = await startIngest(cuttingOff((partition) => cut.has(partition)));
    const [beyond, beside] = [await heartbeat(1), await heartbeat(2)];
    const acknowledged = new Map([beyond, beside].map((id) => [id, 0]));
    const ping = async (id: string): Promise<number> => {
      const status = await ingest.ping(id);
      if (status === 200) acknowledged.set(id, acknowledged.get(id)! + 1);
      return status;
    };
    const answers = (id: string, status: number): Promise<void> =>
      eventually(async () => expect(await ping(id)).toBe(status), { withinMs: 10_000 });
    const shardsWithAbsences = async (): Promise<number[]> =>
      (await rows<{ shard: number }>('SELECT DISTINCT shard FROM absence ORDER BY shard')).map(({ shard }) => shard);
    await answers(beyond, 200);
    await everyWatermarkPasses(Date.now());

    cut.add(1);
    await answers(beyond, 503);
    expect(await ping(beside)).toBe(200);
    cut.clear();
    await answers(beyond, 200);
    await everyWatermarkPasses(Date.now());
    expect(await shardsWithAbsences()).toEqual([1]);

    for (let partition = 0; partition < PARTITIONS; partition += 1) cut.add(partition);
    await answers(beside, 503);
    await eventually(async () => expect(await ingest.isReady()).toBe(false), { withinMs: 10_000 });
    cut.clear();
    await answers(beside, 200);
    await everyWatermarkPasses(Date.now());
    expect(await shardsWithAbsences()).toEqual([0, 1, 2, 3]);
    for (const [id, count] of acknowledged) {
      const history = await rows<{ id: string }>('SELECT id FROM ping WHERE heartbeat_id = $1', [id]);
      expect(history).toHaveLength(count);
    }
  });

  it('stand by, ready, while there are more schedulers than shards', async () => {
    await startIngest();
    const schedulers = await Promise.all(Array.from({ length: PARTITIONS + 1 }, () => startScheduler()));
    await everyWatermarkPasses(Date.now());
    await eventually(
      async () => {
        for (const scheduler of schedulers) expect(await scheduler.isReady()).toBe(true);
        const lags = await Promise.all(schedulers.map((scheduler) => lagsOf(scheduler)));
        expect(lags.flat().sort()).toEqual(['0', '1', '2', '3']);
      },
      { withinMs: 20_000 },
    );
  });
});

/** The shards whose lag a scheduler tells. */
async function lagsOf(scheduler: Member): Promise<string[]> {
  const text = await (await fetch(`${scheduler.base}/metrics`)).text();
  return [...text.matchAll(/^flatline_watermark_lag_seconds\{shard="(\d+)"\}/gm)].map((match) => match[1]!);
}
