import * as path from 'node:path';
import { type Kernel, KeptRunning } from '@flatline/service-kernel';
import { type ServiceName, ServiceProcess } from './service-process';

/** What is started more than once, as CLUSTER_PROCESSES_PER_SERVICE says: by default twice, so that one may be lost. */
export const SERVICES: readonly ServiceName[] = ['ingest', 'management-api', 'deadline-scheduler', 'notifier'];

/** A process of a service, as it is told to people. */
export interface RunningService {
  readonly name: string;
  readonly service: ServiceName;
  readonly port: number;
  readonly pid: () => number;
  readonly logFile: string;
}

export interface ServiceStart {
  /** `ingest-1` */
  readonly name: string;
  readonly service: ServiceName;
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
}

/** Starts the processes of the services and keeps them running. */
export class Services {
  readonly running: RunningService[] = [];
  private isSettled = false;
  private refuse: (error: Error) => void = () => undefined;
  /** Rejects when one of them says, before `settle`, that it does not start. */
  readonly refused = new Promise<never>((_, reject) => (this.refuse = reject));

  constructor(
    private readonly kernel: Kernel,
    private readonly logDir: string,
    private readonly show: (line: string) => void,
  ) {
    this.refused.catch(() => undefined); // whoever waits for it is told; often nobody does any more
  }

  async start({ name, service, port, env }: ServiceStart): Promise<void> {
    const { clock, logger, shutdown } = this.kernel;
    const logFile = path.join(this.logDir, `${name}.log`);
    const child = new ServiceProcess({
      ...{ name, service, env, logFile },
      onLine: this.show,
      onExit: (code, lastWords) => {
        if (code !== 0 && !this.isSettled) this.refuse(new ServiceRefused(lastWords || `${name} ended with ${code}`));
      },
    });
    const kept = new KeptRunning(child, clock, logger);
    // The gateway first: whoever asks meanwhile is turned away and not half served.
    shutdown.on(service === 'gateway' ? 'intake' : 'workers', name, () => kept.stop());
    await kept.start();
    this.running.push({ name, service, port, pid: () => child.pid, logFile });
  }

  /** All of them run well: from now on whatever ends is started again, whatever it says. */
  settle(): void {
    this.isSettled = true;
  }
}

/** What a service said when it did not start: a sentence for the person at the terminal. */
export class ServiceRefused extends Error {
  override readonly name = 'ServiceRefused';
}
