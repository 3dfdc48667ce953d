import { spawn } from 'node:child_process';

import { type Invocation } from './run-as';

export interface ProgramResult {
  code: number | null;
  /** the last lines of what it wrote */
  output: string[];
}

/** How many lines of output are kept to explain a failure. */
const KEPT_LINES = 40;

/** Runs a program to its end; rejects only when it cannot be started at all. */
export function runProgram({ file, args, options }: Invocation, stdin = ''): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    // A group of its own: Ctrl-C at the terminal is for us, and we decide what happens to it.
    const child = spawn(file, args, { ...options, detached: true, stdio: 'pipe' });
    const output = new LastLines(KEPT_LINES);
    child.stdout.setEncoding('utf8').on('data', (text: string) => output.add(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => output.add(text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output: output.lines() }));
    child.stdin.on('error', () => undefined); // it ended without reading: the exit code tells
    child.stdin.end(stdin);
  });
}

/** Cuts text into lines, hands each to a listener and remembers the last ones. */
export class LastLines {
  private rest = '';
  private readonly kept: string[] = [];

  constructor(
    private readonly limit: number,
    private readonly onLine: (line: string) => void = () => undefined,
  ) {}

  add(text: string): void {
    const parts = (this.rest + text).split('\n');
    this.rest = parts.pop() ?? '';
    for (const line of parts) {
      if (line.trim() === '') continue;
      this.kept.push(line);
      if (this.kept.length > this.limit) this.kept.shift();
      this.onLine(line);
    }
  }

  lines(): string[] {
    return this.rest.trim() === '' ? [...this.kept] : [...this.kept, this.rest];
  }
}
