import { createHash } from 'node:crypto';
import type { DataSource, EntityManager } from 'typeorm';

/** This process is configured against what the installation was started with. */
export class InstallationMismatch extends Error {
  override readonly name = 'InstallationMismatch';
}

const LOG_FACT = 'event_log';

/**
 * Holds every process to one event log. An ingest that wrote into another one than the others read would acknowledge
 * pings that nobody ever applies.
 *
 * @param identity of the log this process is connected to
 * @throws InstallationMismatch
 */
export async function requireSameLog(dataSource: DataSource, identity: string): Promise<void> {
  const recorded = await recordFact(dataSource, LOG_FACT, identity);
  if (recorded === identity) return;
  throw new InstallationMismatch(
    `the event log of this process is ${identity}, but this installation uses ${recorded}; ` +
      'set KAFKA_BROKERS (and DATABASE_URL) as for the other processes, or run dist/apps/adopt-log/main.js if that log is gone',
  );
}

/** From now on the installation uses another event log: for the commands that adopt one, inside their transaction. */
export async function replaceLogFact(manager: EntityManager, identity: string): Promise<void> {
  await manager.query(
    `INSERT INTO installation_fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value`,
    [LOG_FACT, JSON.stringify(identity)],
  );
}

/** What is recorded under a name; the given value when nothing was. */
async function recordFact(dataSource: DataSource, name: string, value: string): Promise<unknown> {
  await dataSource.query('INSERT INTO installation_fact (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    name,
    JSON.stringify(value),
  ]);
  const [row] = await dataSource.query<{ value: unknown }[]>('SELECT value FROM installation_fact WHERE name = $1', [
    name,
  ]);
  return row?.value;
}

const KEYS_FACT = 'ping_token_keys';

/**
 * Holds every process to a keyring that shares a key with those used before: with none of them every ping URL ever
 * given out would answer 404, as after a lost key file. Fingerprints are kept, never keys.
 *
 * @throws InstallationMismatch
 */
export async function requireKnownTokenKeys(
  dataSource: DataSource,
  keys: readonly Buffer[],
  { acceptNew }: { readonly acceptNew: boolean },
): Promise<void> {
  const fingerprints = keys.map((key) => createHash('sha256').update(key).digest('hex').slice(0, 16));
  await dataSource.transaction(async (manager) => {
    await manager.query(`INSERT INTO installation_fact (name, value) VALUES ($1, '[]') ON CONFLICT DO NOTHING`, [
      KEYS_FACT,
    ]);
    const [row] = await manager.query<{ value: string[] }[]>(
      'SELECT value FROM installation_fact WHERE name = $1 FOR UPDATE',
      [KEYS_FACT],
    );
    const known = row?.value ?? [];
    if (!acceptNew && known.length > 0 && !fingerprints.some((each) => known.includes(each))) {
      throw new InstallationMismatch(
        'no key of PING_TOKEN_KEYS (or of the file ping-token-keys in the data directory) was ever used here, so every ' +
          'ping URL would be dead; put the old key back, beside the new one if you want one, or set ' +
          'ACCEPT_NEW_PING_TOKEN_KEYS=true if it is gone for good',
      );
    }
    const all = [...new Set([...known, ...fingerprints])];
    if (all.length === known.length) return;
    await manager.query('UPDATE installation_fact SET value = $2 WHERE name = $1', [KEYS_FACT, JSON.stringify(all)]);
  });
}
