import { ShutdownSequence, silentLogger, SystemClock } from '@flatline/service-kernel';
import { persistently } from './persistently';

describe('a step of the start', () => {
  const logger = silentLogger();
  const shutdown = new ShutdownSequence(new SystemClock(), logger);
  let tries: number;
  beforeEach(() => {
    tries = 0;
  });
  const failing = (times: number) => async () => {
    tries += 1;
    if (tries <= times) throw new Error('Connection terminated unexpectedly');
    return 'done';
  };
  const atOnce = async (): Promise<void> => undefined;

  it('is tried again when it was interrupted', async () => {
    expect(await persistently({ logger, shutdown }, failing(3), atOnce)).toBe('done');
    expect(tries).toBe(4);
  });

  it('fails with its own error when trying again does not help', async () => {
    await expect(persistently({ logger, shutdown }, failing(100), atOnce)).rejects.toThrow('Connection terminated');
    expect(tries).toBe(6);
  });

  it('is not tried again once a signal has come', async () => {
    const stopping = new ShutdownSequence(new SystemClock(), logger);
    await stopping.run(100);
    await expect(persistently({ logger, shutdown: stopping }, failing(1), atOnce)).rejects.toThrow();
    expect(tries).toBe(1);
  });
});
