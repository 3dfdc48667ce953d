import { readFileSync } from 'node:fs';
import {
  createTestDatabase,
  eventually,
  runMigrate,
  SERVICE_NAMES,
  ServiceSet,
  startTestKafka,
  startTestPostgres,
  startTestRedis,
  startWebhookReceiver,
} from '@flatline/test-kit';
import type {
  ApiHeartbeat,
  ApiSession,
  ServiceEnv,
  ServiceName,
  TestKafka,
  TestPostgres,
  TestRedis,
  WebhookReceiver,
} from '@flatline/test-kit';
import { Client, Pool } from 'pg';
import { Pool as HttpPool } from 'undici';

/** Everything in Postgres, as in the embedded default; or the event log in Kafka and the timers in Redis. */
export const STACKS = ['Postgres alone', 'Kafka and Redis'] as const;
export type StackName = (typeof STACKS)[number];

const CONNECTIONS = 32;

/** One request to the receiver. */
export interface Told {
  readonly heartbeatId: string;
  readonly type: 'heartbeat.down' | 'heartbeat.recovered';
  /** When it happened; epoch ms. */
  readonly occurredAt: number;
  /** When we were told; epoch ms. */
  readonly receivedAt: number;
  /** The idempotency key. */
  readonly key: string;
}

/** What the test has locked in the database. */
export interface Held {
  release(): Promise<void>;
}

interface Servers {
  readonly databaseUrl: string;
  readonly postgres: TestPostgres | null;
  readonly kafka: TestKafka | null;
  readonly redis: TestRedis | null;
  stop(): Promise<unknown>;
}

/** The four services as processes over their servers, and somebody who is told. */
export class Stack {
  readonly services: ServiceSet;
  private readonly heard: Told[] = [];
  private http: HttpPool | null = null;
  private key = '';

  private constructor(
    readonly name: StackName,
    private readonly servers: Servers,
    readonly receiver: WebhookReceiver,
    private readonly database: Pool,
  ) {
    database.on('error', () => undefined); // the server is killed by tests
    this.services = new ServiceSet(this.env);
  }

  static async start(name: StackName): Promise<Stack> {
    const [servers, receiver] = await Promise.all([startServers(name), startWebhookReceiver()]);
    const connection = { connectionString: servers.databaseUrl, options: '-c search_path=flatline' };
    const stack = new Stack(name, servers, receiver, new Pool({ ...connection, max: 4 }));
    try {
      stack.key = (await runMigrate(stack.env)) ?? '';
      await Promise.all(SERVICE_NAMES.map((service) => stack.startService(service)));
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  async stop(): Promise<void> {
    await this.services.kill();
    await this.http?.destroy();
    await this.database.end();
    await Promise.all([this.servers.stop(), this.receiver.stop()]);
  }

  get api(): ApiSession {
    return this.services.api(this.key);
  }

  /** What jobs ping with, wherever the ingest is now. */
  readonly pinger: Pick<ApiSession, 'ping'> = {
    ping: (token) => this.services.pinger.ping(token),
  };

  /** Starts one and waits until it is ready. */
  async startService(name: ServiceName): Promise<void> {
    const service = await this.services.start(name);
    await service.ready({ withinMs: 90_000 });
    if (name !== 'ingest') return;
    await this.http?.destroy();
    this.http = new HttpPool(service.baseUrl, { connections: CONNECTIONS });
  }

  async kill(name: ServiceName): Promise<void> {
    await this.services.of(name).process.stop('SIGKILL');
  }

  /** Kills the event log with -9 and starts it again. */
  async killBroker(): Promise<void> {
    const { kafka, postgres } = this.servers;
    postgres?.crash();
    await kafka?.kill();
    await kafka?.start();
  }

  /** One ping over a connection that is kept. @returns its id when it was acknowledged, else null */
  async ping(token: string): Promise<string | null> {
    const answer = await this.http!.request({ method: 'POST', path: `/v1/heartbeats/${token}/ping` });
    await answer.body.dump();
    return answer.statusCode === 200 ? String(answer.headers['ping-id']) : null;
  }

  /** Pings each once. Throws unless all of them are acknowledged. */
  async pingAll(tokens: readonly string[]): Promise<void> {
    const ids = await Promise.all(tokens.map((token) => this.ping(token)));
    const refused = ids.filter((id) => id === null).length;
    if (refused > 0) throw new Error(`${refused} of ${tokens.length} pings were not acknowledged`);
  }

  /** Deletes heartbeats, so that nothing more comes of them. */
  async forget(heartbeats: readonly ApiHeartbeat[]): Promise<void> {
    for (const { id } of heartbeats) await this.api.call('DELETE', `/heartbeats/${id}`);
  }

  /** What the receiver was told, in order; of one heartbeat or of all. */
  told(heartbeatId?: string): readonly Told[] {
    for (const { body, headers, receivedAt } of this.receiver.requests.slice(this.heard.length)) {
      const { type, timestamp, data } = JSON.parse(body);
      const key = String(headers['webhook-id']);
      this.heard.push({ heartbeatId: data.heartbeat.id, type, occurredAt: Date.parse(timestamp), receivedAt, key });
    }
    return heartbeatId === undefined ? this.heard : this.heard.filter((each) => each.heartbeatId === heartbeatId);
  }

  /** The most memory a service has had since it was started. Linux only. */
  peakMemoryBytes(name: ServiceName): number {
    const status = readFileSync(`/proc/${this.services.of(name).process.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** In the schema of the product. */
  async rows<Row extends object>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return (await this.database.query<Row>(sql, parameters)).rows;
  }

  async count(sql: string, parameters: unknown[] = []): Promise<number> {
    const [row] = await this.rows<{ count: string }>(sql, parameters);
    return Number(row?.count);
  }

  /** Locks something in a transaction of its own, so that a service has to wait for it. */
  async hold(sql: string, parameters: unknown[] = []): Promise<Held> {
    const client = new Client({ connectionString: this.servers.databaseUrl, options: '-c search_path=flatline' });
    await client.connect();
    await client.query('BEGIN');
    await client.query(sql, parameters);
    return { release: () => client.end() };
  }

  /**
   * Kills a service with -9 while it waits for a lock with a statement that begins like this, and ends what it had begun
   * in the database: nothing of it is committed.
   */
  async killWaiting(name: ServiceName, statement: string, held: Held): Promise<void> {
    const waiting = `FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND ltrim(query) LIKE $1`;
    await eventually(
      async () => {
        const count = await this.count(`SELECT count(*) ${waiting}`, [`%${statement}%`]);
        if (count === 0) throw new Error(`nobody waits with ${statement}`);
      },
      { withinMs: 20_000 },
    );
    await this.kill(name);
    await this.rows(`SELECT pg_terminate_backend(pid) ${waiting}`, [`%${statement}%`]);
    await held.release();
  }

  private get env(): ServiceEnv {
    const { databaseUrl, kafka, redis } = this.servers;
    return {
      DATABASE_URL: databaseUrl,
      DEFAULT_ALERT_WEBHOOK_URL: this.receiver.url,
      PING_PARTITIONS: '4',
      ...(kafka && { KAFKA_BROKERS: kafka.brokerList, KAFKA_REPLICATION_FACTOR: '1' }),
      ...(redis && { REDIS_URL: redis.url }),
    };
  }
}

async function startServers(name: StackName): Promise<Servers> {
  if (name === 'Postgres alone') {
    const postgres = await startTestPostgres();
    return { databaseUrl: postgres.url, postgres, kafka: null, redis: null, stop: () => postgres.stop() };
  }
  const [database, kafka, redis] = await Promise.all([
    createTestDatabase('incidents'),
    startTestKafka(),
    startTestRedis(),
  ]);
  const stop = () => Promise.all([database.drop(), kafka.stop(), redis.stop()]);
  return { databaseUrl: database.url, postgres: null, kafka, redis, stop };
}
