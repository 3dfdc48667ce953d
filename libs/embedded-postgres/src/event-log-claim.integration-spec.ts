import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { claimEventLog } from './event-log-claim';

describe('where the events of a data directory are', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'flatline-claim-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  it.each([
    ['postgres', 'kafka', /events in Postgres: start them with `npm start`/],
    ['kafka', 'postgres', /events in Kafka: start them with `npm run cluster`/],
  ] as const)('is settled by the first start: %s, and not %s later', (first, later, sentence) => {
    claimEventLog(dataDir, first);
    claimEventLog(dataDir, first);
    expect(() => claimEventLog(dataDir, later)).toThrow(sentence);
  });

  it('is Postgres in a directory from before there was a choice', () => {
    mkdirSync(join(dataDir, 'postgres'));
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '18\n');
    expect(() => claimEventLog(dataDir, 'kafka')).toThrow(/npm start/);
    claimEventLog(dataDir, 'postgres');
  });
});
