import { InstallationMismatch } from '@flatline/persistence';
import { ShutdownSequence, silentLogger, SystemClock } from '@flatline/service-kernel';
import { persistently } from './persistently';

describe('a step of the start', () => {
  const logger = silentLogger();
  const shutdown = new ShutdownSequence(new SystemClock(), logger);
  let tries: number;
  beforeEach(() => {
    tries = 0;
  });
  const failing =
    (times: number, error = new Error('Connection terminated unexpectedly')) =>
    async () => {
      tries += 1;
      if (tries <= times) throw error;
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

  it('is not tried again when somebody has to change something first', async () => {
    const mistake = new InstallationMismatch('PING_PARTITIONS is 2');
    await expect(persistently({ logger, shutdown }, failing(100, mistake), atOnce)).rejects.toThrow(mistake);
    expect(tries).toBe(1);
  });

  it('is not tried again once a signal has come', async () => {
    const stopping = new ShutdownSequence(new SystemClock(), logger);
    await stopping.run(100);
    await expect(persistently({ logger, shutdown: stopping }, failing(1), atOnce)).rejects.toThrow();
    expect(tries).toBe(1);
  });
});
