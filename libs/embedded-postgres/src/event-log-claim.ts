import * as fs from 'node:fs';
import * as path from 'node:path';

import { EmbeddedPostgresError } from './errors';
import { readOrCreatePrivateFile } from './private-file';

/** Where the event log of a data directory is: in its Postgres (`npm start`) or in its Kafka (`npm run cluster`). */
export type EventLogPlace = 'postgres' | 'kafka';

const CLAIM_FILE = 'event-log';
const STARTED_BY: Readonly<Record<EventLogPlace, string>> = { postgres: 'npm start', kafka: 'npm run cluster' };
const CALLED: Readonly<Record<EventLogPlace, string>> = { postgres: 'Postgres', kafka: 'Kafka' };

/** The events of this data directory are elsewhere, and pings that are still in there would be left out. */
export class OtherEventLog extends EmbeddedPostgresError {
  constructor(dataDir: string, found: EventLogPlace) {
    super(
      `The data in ${dataDir} have their events in ${CALLED[found]}: start them with \`${STARTED_BY[found]}\`, ` +
        'or choose another place with FLATLINE_DATA_DIR.',
    );
  }
}

/**
 * Settles at the first start where the events of a data directory are, and holds every later start to it. To be called
 * under the lock of the directory. Throws OtherEventLog.
 */
export function claimEventLog(dataDir: string, place: EventLogPlace): void {
  // From before there was a choice.
  const isOld = fs.existsSync(path.join(dataDir, 'postgres', 'PG_VERSION'));
  const found = readOrCreatePrivateFile(path.join(dataDir, CLAIM_FILE), () => (isOld ? 'postgres' : place));
  if (found !== place) throw new OtherEventLog(dataDir, found === 'kafka' ? 'kafka' : 'postgres');
}
