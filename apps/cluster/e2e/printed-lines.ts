import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Flatline } from '@flatline/test-kit';

/** Everything a cluster and its processes have printed, over several starts of it. */
export class PrintedLines {
  private text = '';

  /** Adds what is there now. To be called before each start, which keeps the logs of one run before it. */
  collect({ dataDir, process }: Flatline): void {
    const folder = join(dataDir, 'logs');
    const files = readdirSync(folder).filter((name) => !name.endsWith('.1'));
    for (const file of files) this.text += readFileSync(join(folder, file), 'utf8');
    this.text += process.lines.join('\n');
  }

  get length(): number {
    return this.text.length;
  }

  /** The names of those secrets that were printed. */
  namesOf(secrets: Readonly<Record<string, string>>): string[] {
    return Object.entries(secrets).flatMap(([name, secret]) => (this.text.includes(secret) ? [name] : []));
  }
}
