import type { Clock } from '@flatline/service-kernel';
import type { DataSource, EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { hashApiKey, newApiKey, shownPrefix } from './api-key';

/** Keeps processes that start at the same time from each making a first project. Any constant of our own will do. */
const BOOTSTRAP_LOCK = 7_310_513;
const FIRST_PROJECT = 'default';

export interface BootstrapOptions {
  /** FLATLINE_BOOTSTRAP_API_KEY; made valid as instance administrator whenever it is given. */
  readonly apiKey?: string | undefined;
}

export interface BootstrapResult {
  readonly projectId: string;
  /** The key that was made now and can be shown this once; null when there was one already or one was given. */
  readonly newKey: string | null;
}

/**
 * Makes sure that somebody can get in: a first project, and a key of an instance administrator. Run at every start,
 * after the migrations; changes nothing when both are there.
 */
export function ensureBootstrapKey(
  dataSource: DataSource,
  clock: Clock,
  { apiKey }: BootstrapOptions = {},
): Promise<BootstrapResult> {
  return dataSource.transaction(async (manager) => {
    await manager.query('SELECT pg_advisory_xact_lock($1)', [BOOTSTRAP_LOCK]);
    const projectId = await ensureProject(manager, clock.now());
    if (apiKey !== undefined) {
      await insertInstanceAdmin(manager, { projectId, key: apiKey, name: 'bootstrap', now: clock.now() });
      return { projectId, newKey: null };
    }
    const admins = await manager.query<unknown[]>(
      'SELECT 1 FROM api_key WHERE instance_admin AND revoked_at IS NULL LIMIT 1',
    );
    if (admins.length > 0) return { projectId, newKey: null };
    const newKey = newApiKey();
    await insertInstanceAdmin(manager, { projectId, key: newKey, name: 'first key', now: clock.now() });
    return { projectId, newKey };
  });
}

async function ensureProject(manager: EntityManager, now: number): Promise<string> {
  const [first] = await manager.query<{ id: string }[]>('SELECT id FROM project ORDER BY created_at, id LIMIT 1');
  if (first) return first.id;
  const id = uuidv7();
  await manager.query('INSERT INTO project (id, name, created_at) VALUES ($1, $2, $3)', [
    id,
    FIRST_PROJECT,
    new Date(now),
  ]);
  return id;
}

async function insertInstanceAdmin(
  manager: EntityManager,
  { projectId, key, name, now }: { projectId: string; key: string; name: string; now: number },
): Promise<void> {
  await manager.query(
    `INSERT INTO api_key (id, project_id, name, prefix, hash, scope, instance_admin, created_at)
     VALUES ($1, $2, $3, $4, $5, 'admin', true, $6)
     ON CONFLICT (hash) DO UPDATE SET scope = 'admin', instance_admin = true, revoked_at = NULL`,
    [uuidv7(), projectId, name, shownPrefix(key), hashApiKey(key), new Date(now)],
  );
}
