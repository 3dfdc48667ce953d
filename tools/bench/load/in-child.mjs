/** Child processes that take one task as a message and answer with one result. */
import { fork } from 'node:child_process';

/**
 * @template T
 * @param {string} module path of the script
 * @param {object} task
 * @param {{ onStarted?: () => void }} [options] onStarted: the child said `{ started: true }`
 * @returns {Promise<T>} its last message
 */
export function inChild(module, task, { onStarted } = {}) {
  const child = fork(module, { execArgv: [] });
  child.send(task);
  return new Promise((resolve, reject) => {
    let result;
    child.on('message', (message) => {
      if (message.started) onStarted?.();
      else result = message;
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`${module} ended with ${signal ?? code} and ${result ? 'a' : 'no'} result`));
    });
  });
}
