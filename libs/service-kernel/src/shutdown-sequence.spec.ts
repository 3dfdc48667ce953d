import { SystemClock } from './clock';
import { silentLogger } from './logging/create-logger';
import { SHUTDOWN_STAGES, ShutdownSequence } from './shutdown-sequence';

const sequence = () => new ShutdownSequence(new SystemClock(), silentLogger());

describe('stopping', () => {
  it('runs the stages in order, each after the one before has ended', async () => {
    const shutdown = sequence();
    const story: string[] = [];
    for (const stage of [...SHUTDOWN_STAGES].reverse()) {
      shutdown.on(stage, 'step', async () => {
        story.push(`${stage} begins`);
        await new Promise(setImmediate);
        story.push(`${stage} ends`);
      });
    }
    expect(await shutdown.run(1_000)).toBe(true);
    expect(story).toEqual(SHUTDOWN_STAGES.flatMap((stage) => [`${stage} begins`, `${stage} ends`]));
  });

  it('goes on after a step that fails, and says that it did not end well', async () => {
    const shutdown = sequence();
    const database = jest.fn();
    shutdown.on('workers', 'broken', () => {
      throw new Error('no');
    });
    shutdown.on('database', 'pool', database);
    expect(await shutdown.run(1_000)).toBe(false);
    expect(database).toHaveBeenCalledTimes(1);
  });

  it('leaves a step that hangs behind at the deadline', async () => {
    const shutdown = sequence();
    const database = jest.fn();
    shutdown.on('intake', 'hangs', () => new Promise(() => undefined));
    shutdown.on('database', 'pool', database);
    expect(await shutdown.run(5)).toBe(false);
    expect(database).toHaveBeenCalledTimes(1);
  });

  it('runs once however often it is asked', async () => {
    const shutdown = sequence();
    const step = jest.fn();
    shutdown.on('intake', 'step', step);
    expect(shutdown.begun).toBe(false);
    await Promise.all([shutdown.run(100), shutdown.run(100)]);
    expect(shutdown.begun).toBe(true);
    expect(step).toHaveBeenCalledTimes(1);
  });

  it('runs what is added to a stage while that stage runs', async () => {
    const shutdown = sequence();
    const http = jest.fn();
    shutdown.on('intake', 'start', async () => {
      await new Promise(setImmediate);
      shutdown.on('intake', 'http', http);
    });
    await shutdown.run(1_000);
    expect(http).toHaveBeenCalledTimes(1);
  });

  it('runs the steps of a sequence that it adopted in its own order', async () => {
    const [shutdown, opened] = [sequence(), sequence()];
    const story: string[] = [];
    opened.on('database', 'pool', () => story.push('pool'));
    shutdown.adopt(opened);
    shutdown.on('intake', 'http', () => story.push('http'));
    await shutdown.run(1_000);
    expect(story).toEqual(['http', 'pool']);
  });
});
