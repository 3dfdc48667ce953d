import { chownSync, mkdirSync } from 'node:fs';

import { ADMIN_KEY, ApiSession, createDataDir, removeDataDir, startFlatline } from '@flatline/test-kit';

/** Root can try both; anybody else is the ordinary user. */
const isRoot = process.getuid?.() === 0;
const users: [string, { user?: { uid: number; gid: number } }][] = isRoot
  ? [
      ['root', {}],
      ['an ordinary user', { user: { uid: 65_534, gid: 65_534 } }],
    ]
  : [['an ordinary user', {}]];

it.each(users)(
  'Flatline runs as %s, and comes back after kill -9 with its Postgres left behind',
  async (_who, user) => {
    const dataDir = createDataDir();
    mkdirSync(dataDir);
    if (user.user) chownSync(dataDir, user.user.uid, user.user.gid);
    const options = { dataDir, ...user, env: { HOME: dataDir } };
    try {
      const first = await startFlatline(options);
      await first.ready();
      const api = new ApiSession(first.baseUrl, ADMIN_KEY);
      const { token } = await api.create();
      expect((await api.ping(token)).status).toBe(200);
      await first.kill();
      const second = await startFlatline(options);
      await second.ready({ withinMs: 15_000 });
      expect((await new ApiSession(second.baseUrl, ADMIN_KEY).ping(token)).status).toBe(200);
      await expect(second.stop()).resolves.toEqual({ code: 0, signal: null });
    } finally {
      removeDataDir(dataDir);
    }
  },
);
