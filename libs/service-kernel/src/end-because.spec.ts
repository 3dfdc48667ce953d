import { SystemClock } from './clock';
import { endBecause } from './end-because';
import { silentLogger } from './logging/create-logger';
import { ShutdownSequence } from './shutdown-sequence';

describe('a process that cannot go on', () => {
  it('stops in order and ends with exit code 1', async () => {
    const shutdown = new ShutdownSequence(new SystemClock(), silentLogger());
    const story: string[] = [];
    shutdown.on('database', 'pool', () => story.push('pool'));
    shutdown.on('intake', 'http', () => story.push('http'));
    const ended = new Promise<unknown>((resolve) => {
      jest.spyOn(process, 'exit').mockImplementation((code) => resolve(code) as never);
    });
    endBecause({ logger: silentLogger(), shutdown }, 'the event log is lost');
    expect(await ended).toBe(1);
    expect(story).toEqual(['http', 'pool']);
  });
});
