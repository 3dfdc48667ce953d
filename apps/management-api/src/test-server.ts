import { EVENT_LOG, type EventLog, openPostgresEventLog } from '@flatline/event-log';
import { TOPICS } from '@flatline/events';
import { createDataSource, DATABASE_CLOCK, DatabaseSession, DefinitionAnnouncer, migrate } from '@flatline/persistence';
import {
  createKernel,
  type Kernel,
  KernelModule,
  loadConfig,
  silentLogger,
  startHttpApplication,
} from '@flatline/service-kernel';
import { DataSource } from 'typeorm';
import { ensureBootstrapKey } from './auth/ensure-bootstrap-key';
import { ManagementApiModule } from './management-api.module';

/** What came back: never thrown away, so that a test can say what it saw. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; an empty object when there is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look at whatever was answered
  readonly json: any;
}

export interface CallOptions {
  /** Null: no Authorization header. */
  readonly key?: string | null;
  /** A text is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The management API over a database, for tests: real HTTP, real Postgres and event log, no scheduler. */
export class TestServer {
  private constructor(
    readonly kernel: Kernel,
    readonly dataSource: DataSource,
    readonly log: EventLog,
    readonly port: number,
    /** The first key: instance administrator, of the project `default`. */
    readonly adminKey: string,
  ) {}

  static async start(databaseUrl: string, env: Readonly<Record<string, string>> = {}): Promise<TestServer> {
    const config = loadConfig({ PORT: '0', PING_TOKEN_KEYS: 'ab'.repeat(32), ...env });
    const kernel = createKernel(config, { logger: silentLogger() });
    await migrate(databaseUrl);
    // No relay: tests read what the outbox holds.
    const dataSource = await createDataSource({ databaseUrl }).initialize();
    kernel.shutdown.on('database', 'database', () => dataSource.destroy());
    const log = await openPostgresEventLog({ url: databaseUrl, logger: kernel.logger });
    kernel.shutdown.on('producers', 'event log', () => log.close());
    await log.ensureTopics(TOPICS.map((topic) => ({ ...topic, partitions: config.PING_PARTITIONS })));
    const { newKey } = await ensureBootstrapKey(dataSource, kernel.clock);
    const onError = (err: unknown): void => kernel.logger.error({ err });
    const session = new DatabaseSession(databaseUrl, onError);
    kernel.shutdown.on('workers', 'session', () => session.stop());
    const infrastructure = [
      { provide: DATABASE_CLOCK, useValue: kernel.clock },
      { provide: DataSource, useValue: dataSource },
      { provide: DefinitionAnnouncer, useValue: new DefinitionAnnouncer(session, onError) },
      { provide: EVENT_LOG, useValue: log },
    ];
    const { port } = await startHttpApplication(
      { module: TestRoot, imports: [KernelModule.forRoot(kernel, infrastructure), ManagementApiModule] },
      kernel,
    );
    return new TestServer(kernel, dataSource, log, port, newKey ?? '');
  }

  async stop(): Promise<void> {
    await this.kernel.shutdown.run(5_000);
  }

  async call(method: string, path: string, { key = this.adminKey, body, headers }: CallOptions = {}): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: text === '' ? {} : JSON.parse(text) };
  }

  /** A second tenant and its key. */
  async newProject(name: string): Promise<{ id: string; key: string }> {
    const { json } = await this.call('POST', '/v1/projects', { body: { name } });
    return { id: json.id, key: json.api_key };
  }
}

class TestRoot {}
