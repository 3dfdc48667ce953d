/** Servers of the bench that run beside it: the bare server and the receiver of webhooks. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));

async function startHelper(file) {
  const child = fork(path.join(here, file), { execArgv: [] });
  const [{ port }] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${file} did not start`))),
  ]);
  return {
    child,
    port,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** @returns {Promise<{ port: number, baseUrl: string, pid: number, stop: () => Promise<void> }>} */
export async function startBareServer() {
  const { child, port, stop } = await startHelper('bare-server.mjs');
  return { port, baseUrl: `http://127.0.0.1:${port}`, pid: child.pid, stop };
}

/** @returns {Promise<{ url: string, take: () => Promise<object[]>, stop: () => Promise<void> }>} take: arrivals since the last call */
export async function startWebhookReceiver() {
  const { child, port, stop } = await startHelper('webhook-receiver.mjs');
  const take = async () => {
    const answer = once(child, 'message');
    child.send('take');
    const [{ arrivals }] = await answer;
    return arrivals;
  };
  return { url: `http://127.0.0.1:${port}/hook`, take, stop };
}
