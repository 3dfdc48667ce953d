import { createServer } from 'node:net';
import { createKernel, loadConfig, silentLogger } from '@flatline/service-kernel';
import { eventually, freePort } from '@flatline/test-kit';
import { ServerAway } from './server-away';
import { untilServersAnswer } from './until-servers-answer';

async function setUp() {
  const port = await freePort();
  const kernel = createKernel(loadConfig({ PORT: String(port) }), { logger: silentLogger() });
  return { kernel, readiness: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).text(), port };
}

describe('waiting for servers', () => {
  it('takes no port when everything is there', async () => {
    const { kernel } = await setUp();
    const answered = await untilServersAnswer(kernel, () => Promise.resolve('here'));
    expect(answered?.result).toBe('here');
    expect(answered?.waitingRoom.port).toBeUndefined();
  });

  it('says which one is missing until it is there', async () => {
    const { kernel, readiness } = await setUp();
    let isThere = false;
    const waiting = untilServersAnswer(kernel, () =>
      isThere ? Promise.resolve('here') : Promise.reject(new ServerAway('event log', 'Kafka is away')),
    );
    await eventually(async () => expect(await readiness()).toContain('not ready: event log: Kafka is away'));
    expect(await kernel.health.findings()).toEqual([
      { condition: 'event_log_away', sentence: 'event log: Kafka is away' },
    ]);
    isThere = true;
    const answered = await waiting;
    expect(answered?.result).toBe('here');
    expect(await kernel.health.findings()).toEqual([]);
    await answered?.waitingRoom.close();
  });

  it('answers while an attempt hangs, and gives up when the process is asked to stop', async () => {
    const { kernel, readiness } = await setUp();
    let fail = (_error: Error): void => {};
    const waiting = untilServersAnswer(kernel, () => new Promise((_resolve, reject) => (fail = reject)));
    await eventually(async () => expect(await readiness()).toContain('not ready: start: connecting'));
    expect(await kernel.shutdown.run(2_000)).toBe(true);
    await expect(readiness()).rejects.toThrow();
    fail(new ServerAway('database', 'gone'));
    expect(await waiting).toBeNull();
  });

  it('ends with what no waiting can mend: a mistake, or a port that is taken', async () => {
    const { kernel, port } = await setUp();
    await expect(untilServersAnswer(kernel, () => Promise.reject(new RangeError('no')))).rejects.toThrow(RangeError);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
    const hanging = untilServersAnswer(kernel, () => new Promise(() => {}));
    await expect(hanging).rejects.toMatchObject({ code: 'EADDRINUSE' });
    taken.close();
  });
});
