import { eventually, useTestDatabase } from '@flatline/test-kit';
import { Client } from 'pg';
import { DatabaseSession, SessionLost } from './database-session';

const database = useTestDatabase('session');

describe('the session of a process with its database', () => {
  let session: DatabaseSession;
  let other: Client;
  let errors: unknown[];

  beforeEach(async () => {
    errors = [];
    session = new DatabaseSession(database.url, (error) => errors.push(error));
    other = new Client({ connectionString: database.url });
    await other.connect();
  });
  afterEach(async () => {
    await session.stop();
    await other.end();
  });

  async function terminate(): Promise<void> {
    const [row] = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await other.query('SELECT pg_terminate_backend($1)', [row!.pid]);
  }

  /** Guarded by `begin` in database-session.ts: a process that starts while connections are ended starts all the same. */
  it('listens in the end when its connection is lost while it begins to, again and again', async () => {
    let begun = 0;
    const heard: string[] = [];
    await session.listen({
      channel: 'news',
      onNotification: (payload) => heard.push(payload),
      onConnected: async () => {
        begun += 1;
        if (begun > 2) return;
        await terminate();
        await session.query('SELECT 1');
      },
    });
    expect(begun).toBe(3);
    expect(session.generation).toBe(3);
    expect(errors.length).toBeGreaterThanOrEqual(2);
    await other.query(`NOTIFY news, 'one'`);
    await eventually(() => expect(heard).toEqual(['one']));
  });

  it('tells each listener once of a new connection, and hears everything once', async () => {
    const connected: string[] = [];
    const heard: string[] = [];
    for (const channel of ['news', 'weather']) {
      await session.listen({
        channel,
        onNotification: (payload) => heard.push(payload),
        onConnected: async () => void connected.push(channel),
      });
    }
    await terminate();
    await eventually(() => expect(connected).toEqual(['news', 'weather', 'news', 'weather']));
    expect(session.generation).toBe(2);
    await other.query(`NOTIFY weather, 'sun'`);
    await eventually(() => expect(heard).toEqual(['sun']));
  });

  it('lets nobody wait for ever when it is stopped', async () => {
    const listening = session.listen({
      channel: 'news',
      onNotification: () => {},
      onConnected: () => new Promise(() => {}),
    });
    const outcome = listening.catch((error: unknown) => error);
    await eventually(() => expect(session.generation).toBe(1));
    await session.stop();
    expect(await outcome).toBeInstanceOf(SessionLost);
  });
});
