import { redisConfiguration } from './redis-configuration';

describe('the configuration of a local Redis', () => {
  it('keeps what it is told and throws nothing away, unless asked otherwise', () => {
    const lines = redisConfiguration({ port: 20_001, dir: '/data' }).split('\n');
    expect(lines).toEqual(expect.arrayContaining(['appendonly yes', 'maxmemory-policy noeviction', 'bind 127.0.0.1']));
    const other = redisConfiguration({ port: 20_001, dir: '/data', appendonly: false, maxmemoryPolicy: 'allkeys-lru' });
    expect(other.split('\n')).toEqual(expect.arrayContaining(['appendonly no', 'maxmemory-policy allkeys-lru']));
  });

  it('takes any folder', () => {
    expect(redisConfiguration({ port: 1, dir: '/a "b" \\c' })).toContain('dir "/a \\"b\\" \\\\c"\n');
  });
});
