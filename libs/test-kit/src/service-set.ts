import { ApiSession } from './api-session';
import { startService } from './service-process';
import type { ServiceEnv, ServiceName, ServiceProcess } from './service-process';

export const SERVICE_NAMES: readonly ServiceName[] = ['ingest', 'management-api', 'deadline-scheduler', 'notifier'];

/** The services of one installation, one process of each. */
export class ServiceSet {
  private readonly running = new Map<ServiceName, ServiceProcess>();

  constructor(private readonly env: ServiceEnv) {}

  /** Starts all of them at once, as an orchestrator would, and does not wait. */
  async startAll(): Promise<void> {
    await Promise.all(SERVICE_NAMES.map((name) => this.start(name)));
  }

  /** Starts one, in place of the one that ran under this name, and does not wait. */
  async start(name: ServiceName): Promise<ServiceProcess> {
    const service = await startService(name, this.env);
    this.running.set(name, service);
    return service;
  }

  of(name: ServiceName): ServiceProcess {
    const service = this.running.get(name);
    if (!service) throw new Error(`${name} was not started`);
    return service;
  }

  /** In the order of SERVICE_NAMES. */
  get all(): ServiceProcess[] {
    return SERVICE_NAMES.map((name) => this.of(name));
  }

  async ready(options?: { withinMs?: number }): Promise<void> {
    await Promise.all(this.all.map((service) => service.ready(options)));
  }

  /** Of the management API. */
  api(key: string): ApiSession {
    return new ApiSession(this.of('management-api').baseUrl, key);
  }

  /** For jobs: the ingest, without a key. */
  get pinger(): ApiSession {
    return new ApiSession(this.of('ingest').baseUrl, '');
  }

  /** Ends what still runs, at once. */
  async kill(): Promise<void> {
    const ends = [...this.running.values()].map(
      async ({ process }) => process.ended ?? (await process.stop('SIGKILL')),
    );
    await Promise.all(ends);
  }
}
