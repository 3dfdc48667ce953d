import { createServer } from 'node:net';
import { createKernel, type Kernel, KernelModule } from '../kernel.module';
import { loadConfig } from '../config/load-config';
import { silentLogger } from '../logging/create-logger';
import { startHttpApplication } from './http-application';
import { WaitingRoom } from './waiting-room';

class Root {}

const MISSING = { component: 'database', missing: 'Postgres is away' };

describe('a process that waits', () => {
  let kernel: Kernel;
  let room: WaitingRoom;
  beforeEach(() => {
    kernel = createKernel(loadConfig({ PORT: '0' }), { logger: silentLogger() });
    room = new WaitingRoom(kernel, () => [MISSING]);
  });
  afterEach(async () => {
    await room.close();
    await kernel.shutdown.run(5_000);
  });

  const get = (path: string, method = 'GET', init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${room.port}${path}`, { method, ...init });

  it('lives, says what is missing, and asks everybody else to try again', async () => {
    await room.open();
    expect(await (await get('/healthz')).json()).toEqual({ status: 'ok' });
    const ready = await get('/readyz');
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ error: 'not ready: database: Postgres is away', missing: [MISSING] });
    for (const method of ['GET', 'POST', 'HEAD', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const answer = await get('/v1/heartbeats/token/ping', method);
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
    }
  });

  it.each(['text/plain', 'application/json', ';;;'])(
    'asks a job to try again whatever it sends, labelled %s',
    async (type) => {
      await room.open();
      const sent = { body: 'backup done: {', headers: { 'content-type': type } };
      expect((await get('/v1/heartbeats/token/ping', 'POST', sent)).status).toBe(503);
    },
  );

  it('hands its port over to the application', async () => {
    await room.open();
    const { port } = room;
    await get('/healthz'); // leaves a connection that is kept alive
    const root = { module: Root, imports: [KernelModule.forRoot(kernel)] };
    expect((await startHttpApplication(root, kernel, room)).port).toBe(port);
    expect((await get('/readyz')).status).toBe(200);
  });

  it('that was never opened leaves the port to the application', async () => {
    const root = { module: Root, imports: [KernelModule.forRoot(kernel)] };
    const { port } = await startHttpApplication(root, kernel, room);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    await room.open();
    expect(room.port).toBeUndefined();
  });

  it('says so when the port is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const second = new WaitingRoom({ ...kernel, config: { ...kernel.config, PORT: port } }, () => []);
    await expect(second.open()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await second.close();
    taken.close();
  });
});
