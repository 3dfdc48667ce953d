import { loadConfig } from '../config/load-config';
import { createLogger } from './create-logger';
import { NestLogger } from './nest-logger';
import { createScrubber } from './scrubber';

function recorded(env: Record<string, string> = {}) {
  let text = '';
  const config = loadConfig({ LOG_FORMAT: 'json', ...env });
  const logger = createLogger(config, { service: 'ingest', destination: { write: (line) => void (text += line) } });
  return { logger, text: () => text };
}

const TOKEN = 'AZrF0n4Zf1KZ8w0Bq3Vj7gAAqk3J-0sQm9Wc5D_xYt2LpQ';

describe('the logger', () => {
  it('writes JSON lines with fields', () => {
    const { logger, text } = recorded();
    logger.info({ shard: 3 }, 'caught up');
    expect(JSON.parse(text())).toMatchObject({ level: 30, service: 'ingest', shard: 3, msg: 'caught up' });
  });

  it.each([
    ['a token in a URL', { url: `http://x/v1/heartbeats/${TOKEN}/ping?x=1` }, TOKEN],
    ['a short token in a URL', { url: '/v1/heartbeats/hunter2/ping' }, 'hunter2'],
    ['a lone token', { note: `refused ${TOKEN}` }, TOKEN],
    ['a field named token', { heartbeat: { token: 'hunter2' } }, 'hunter2'],
    ['a header', { headers: { authorization: 'Bearer hunter2' } }, 'hunter2'],
    ['a management key', { note: 'key flk_abcdefghijklmnopqrstuvwxyz' }, 'flk_abcdefgh'],
    ['a signing secret', { note: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }, 'MfKQ9r8G'],
    ['a URL with credentials', { url: 'postgres://me:hunter2@db/x' }, 'hunter2'],
    ['an address', { note: 'sent to alice@example.org' }, 'alice@example.org'],
    ['the bootstrap key', { note: 'hunter2hunter2hunter2hunter2' }, 'hunter2'],
    ['an error', { err: new Error(`Bearer hunter2 ${TOKEN}`) }, 'hunter2'],
    ['what a failed statement wrote', { err: Object.assign(new Error('x'), { parameters: ['hunter2'] }) }, 'hunter2'],
  ])('never lets %s out', (_what, fields, secret) => {
    const { logger, text } = recorded({ FLATLINE_BOOTSTRAP_API_KEY: 'hunter2hunter2hunter2hunter2' });
    logger.error(fields, 'something happened');
    expect(text()).toContain('something happened');
    expect(text()).not.toContain(secret);
  });

  it('leaves ids and ordinary words alone', () => {
    const text = '{"job":"deadlines-0198c5a0-7c5e-7f8a-9d1e-0123456789ab-0198c5a0","at":"2026-01-01T00:00:00.000Z"}';
    expect(createScrubber()(text)).toBe(text);
  });

  it('writes short lines for people', () => {
    const { logger, text } = recorded({ LOG_FORMAT: 'pretty' });
    logger.warn({ shard: 3, err: new Error('oh no') }, 'fell behind');
    expect(text()).toMatch(/^\d\d:\d\d:\d\d WARN fell behind shard=3\n {2}Error: oh no/);
  });

  it('takes what Nest logs, its chatter as debug', () => {
    const { logger, text } = recorded();
    const nest = new NestLogger(logger);
    nest.log('Mapped {/x, GET} route', 'RouterExplorer');
    expect(text()).toBe('');
    nest.error('broken', 'Error: broken\n  at x', 'Injector');
    expect(JSON.parse(text())).toMatchObject({ level: 50, msg: 'broken', context: 'Injector' });
  });
});
