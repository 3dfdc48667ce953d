import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import * as path from 'node:path';
import type { Entry } from './entries';

/** A journal as it is written, one entry a line, in the order in which things became known. */
export interface JournalWriter {
  readonly file: string;
  write(entry: Entry): void;
  close(): Promise<void>;
}

export function createJournal(file: string): JournalWriter {
  mkdirSync(path.dirname(file), { recursive: true });
  const stream = createWriteStream(file);
  return {
    file,
    write: (entry) => void stream.write(`${JSON.stringify(entry)}\n`),
    close: async () => {
      stream.end();
      await finished(stream);
    },
  };
}

/** @throws when the file is not there or a line is no entry */
export function readJournal(file: string): Entry[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry);
}
