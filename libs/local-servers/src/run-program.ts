import { spawn } from 'node:child_process';

export interface ProgramResult {
  /** null: a signal ended it */
  code: number | null;
  /** the last lines of what it wrote, both streams */
  output: string[];
}

/** Enough to explain a failure. */
const KEPT_CHARACTERS = 20_000;

/**
 * Runs a program to its end; rejects only when it cannot be started at all. It is killed when we exit before it does.
 *
 * @param env instead of our own environment
 */
export function runProgram(program: string, args: string[], env?: NodeJS.ProcessEnv): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(env ? { env } : {}) });
    const endWithUs = (): void => void child.kill('SIGKILL');
    process.once('exit', endWithUs);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (piece: string) => {
        text = (text + piece).slice(-KEPT_CHARACTERS);
      });
    }
    child.once('error', (error) => {
      process.off('exit', endWithUs);
      reject(error);
    });
    child.once('close', (code) => {
      process.off('exit', endWithUs);
      resolve({ code, output: linesOf(text) });
    });
  });
}

/** Lines with something on them, without terminal colours. */
export function linesOf(text: string): string[] {
  // eslint-disable-next-line no-control-regex -- colours begin with the escape character
  const plain = text.replace(/\u001b\[[0-9;]*m/g, '');
  return plain.split('\n').filter((line) => line.trim() !== '');
}
