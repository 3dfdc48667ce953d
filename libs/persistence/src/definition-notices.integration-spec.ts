import { createTestDatabase, eventually, type TestDatabase } from '@flatline/test-kit';
import type { DataSource } from 'typeorm';
import { createDataSource } from './data-source';
import { DatabaseSession } from './database-session';
import { DefinitionAnnouncer } from './definition-announcer';
import { type DefinitionNotice, DefinitionNotices } from './definition-notices';

/** Guarded by `DefinitionAnnouncer.announce`, and by `DefinitionNotices.readAnew` and `acknowledge`. */
describe('a changed definition', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let sessions: DatabaseSession[];
  let announcer: DefinitionAnnouncer;
  let version: number;
  let errors: unknown[];

  beforeEach(async () => {
    database = await createTestDatabase('notices');
    dataSource = await createDataSource({ databaseUrl: database.url }).initialize();
    sessions = [];
    errors = [];
    announcer = new DefinitionAnnouncer(openSession(), note);
    version = 1;
  });
  afterEach(async () => {
    await Promise.all(sessions.map((session) => session.stop()));
    await dataSource.destroy();
    await database.drop();
  });

  const note = (error: unknown): number => errors.push(error);
  function openSession(): DatabaseSession {
    const session = new DatabaseSession(database.url, () => {});
    sessions.push(session);
    return session;
  }
  /** A process that answers pings; `reading` is what it waits for before it has read everything. */
  async function follower(reading?: Promise<void>): Promise<{ session: DatabaseSession; heard: number[] }> {
    const session = openSession();
    const heard: number[] = [];
    const notices = new DefinitionNotices(session, note);
    const following = notices.follow({
      onConnected: async () => reading,
      onNotice: (notice) => heard.push(notice.version),
    });
    following.catch(note);
    await (reading ? eventually(async () => expect(await followers()).toBe(1)) : following);
    return { session, heard };
  }
  async function followers(): Promise<number> {
    const [row] = await dataSource.query<[{ count: number }]>(
      `SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    return row.count;
  }
  /** Announces the next version and commits. @returns how long it took until everybody had heard, ms */
  async function change(): Promise<number> {
    version += 1;
    const notice: DefinitionNotice = { heartbeatId: 'h', version, paused: true, deleted: false, tokenGeneration: 0 };
    const { heard } = await dataSource.transaction((manager) => announcer.announce(manager, notice));
    const committedAt = performance.now();
    await heard;
    return performance.now() - committedAt;
  }

  it('is known to all who answer pings once the change is answered', async () => {
    const [a, b] = [await follower(), await follower()];
    const took: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      took.push(await change());
      expect([a.heard.at(-1), b.heard.at(-1)]).toEqual([version, version]);
    }
    expect(Math.min(...took)).toBeLessThan(400);
    expect(errors).toEqual([]);
  });

  it('is waited for while a process that reads everything again does not know it yet', async () => {
    let haveRead = (): void => {};
    const { heard } = await follower(new Promise((resolve) => (haveRead = resolve)));
    let isAnswered = false;
    const changed = change().then(() => (isAnswered = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([isAnswered, heard]).toEqual([false, []]);
    haveRead();
    await changed;
    expect(heard).toEqual([version]);
  });

  it('is answered all the same when one who answers pings is frozen, and at once when it is gone', async () => {
    const { session } = await follower(new Promise(() => {}));
    expect(await change()).toBeGreaterThan(400);
    await session.stop();
    await eventually(async () => expect(await followers()).toBe(0));
    expect(await change()).toBeLessThan(400);
  });

  it('is answered at once while nobody follows', async () => {
    expect(await change()).toBeLessThan(400);
  });
});
