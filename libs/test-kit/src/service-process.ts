import { resolve } from 'node:path';

import { eventually } from './eventually';
import { freePort } from './free-port';
import { startTestProcess } from './test-process';
import type { TestProcess } from './test-process';

export type ServiceName = 'ingest' | 'management-api' | 'deadline-scheduler' | 'notifier';

/** Signs the ping URLs of services that tests start on their own. */
export const TEST_TOKEN_KEYS = 'ab'.repeat(32);

/** One service as an operator starts it: a process of its own on a port of its own. */
export interface ServiceProcess {
  /** `http://127.0.0.1:<port>` */
  readonly baseUrl: string;
  readonly process: TestProcess;
  /** What `/readyz` answers now. Rejects while nothing listens. */
  readiness(): Promise<{ status: number; body: string }>;
  /** Resolves when `/readyz` answers 200. Fails at once when the process ends. */
  ready(options?: { withinMs?: number }): Promise<void>;
  /** SIGTERM and the end, which says how. */
  stop(options?: { withinMs?: number }): ReturnType<TestProcess['stop']>;
}

export interface ServiceEnv extends Record<string, string> {
  DATABASE_URL: string;
}

/** Starts a service and does not wait. It does not outlive the test process. */
export async function startService(name: ServiceName, env: ServiceEnv): Promise<ServiceProcess> {
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const child = startTestProcess({
    args: [mainOf(name)],
    env: { PORT: String(port), PING_TOKEN_KEYS: TEST_TOKEN_KEYS, ALLOW_PRIVATE_WEBHOOK_TARGETS: 'true', ...env },
  });
  const readiness: ServiceProcess['readiness'] = async () => {
    const response = await fetch(`${baseUrl}/readyz`, { signal: AbortSignal.timeout(5_000) });
    return { status: response.status, body: await response.text() };
  };
  return {
    baseUrl,
    process: child,
    readiness,
    ready: async ({ withinMs = 40_000 } = {}) => {
      await eventually(
        async () => {
          if (child.ended) return;
          const { status, body } = await readiness();
          if (status !== 200) throw new Error(`/readyz of ${name} answers ${status} ${body}`);
        },
        { withinMs },
      );
      if (child.ended) throw new Error(`${name} ended before it was ready:\n${child.lines.join('\n')}`);
    },
    stop: ({ withinMs = 15_000 } = {}) => child.stop('SIGTERM', { withinMs }),
  };
}

/** Starts the migration step. */
export function startMigrate(env: Record<string, string>): TestProcess {
  return startTestProcess({ args: [mainOf('migrate')], env: { PING_TOKEN_KEYS: TEST_TOKEN_KEYS, ...env } });
}

/** Runs the migration step to its end; the key it made, if any. Throws when it does not end well. */
export async function runMigrate(env: Record<string, string>): Promise<string | null> {
  const step = startMigrate(env);
  const { code } = await step.end({ withinMs: 60_000 });
  if (code !== 0) throw new Error(`migrate ended with ${code}:\n${step.lines.join('\n')}`);
  return /^FLATLINE_API_KEY=(\S+)$/m.exec(step.lines.join('\n'))?.[1] ?? null;
}

/** Starts a command of an operator, which needs little of the environment of the services. */
export function startCommand(
  name: 'adopt-log' | 'dead-letters' | 'grow-partitions',
  words: readonly string[],
  env: ServiceEnv,
): TestProcess {
  return startTestProcess({ args: [mainOf(name), ...words], env });
}

function mainOf(app: string): string {
  return resolve(__dirname, '../../../dist/apps', app, 'main.js');
}
