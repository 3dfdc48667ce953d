import { InstallationMismatch } from '@flatline/persistence';
import { ConfigError } from '@flatline/service-kernel';
import { ServerAway } from './server-away';
import { startupProblem } from './startup-problem';

const config = { HOST: '127.0.0.1', PORT: 8080 };
const systemError = (code: string) => Object.assign(new Error(`connect ${code}`), { code });

describe('why Flatline did not start', () => {
  it.each([
    ['the port is taken', systemError('EADDRINUSE'), /^Port 8080 on 127\.0\.0\.1 is already in use; .*set PORT/],
    ['the port is for root only', systemError('EACCES'), /may not listen on port 8080/],
    ['the address is not ours', systemError('EADDRNOTAVAIL'), /no address 127\.0\.0\.1; set HOST/],
    [
      'the name to listen on leads nowhere',
      Object.assign(systemError('ENOTFOUND'), { hostname: config.HOST }),
      /^HOST is 127\.0\.0\.1, .*\(ENOTFOUND\); set it/,
    ],
    ['the database is away', systemError('ECONNREFUSED'), /DATABASE_URL cannot be reached \(ECONNREFUSED\)/],
    [
      'Kafka is away',
      new ServerAway('event log', 'Kafka cannot be used (ECONNREFUSED)'),
      /Kafka .*\(ECONNREFUSED\); check/,
    ],
    [
      'a variable is wrong',
      new ConfigError([{ variable: 'PORT', message: 'is odd' }]),
      /^Flatline did not start: PORT is odd\.$/,
    ],
    ['a variable contradicts the data', new InstallationMismatch('PING_PARTITIONS is 8'), /PING_PARTITIONS is 8/],
    ['nothing was migrated', systemError('42P01'), /^The database of DATABASE_URL holds no Flatline, .*run dist/],
    ['something unforeseen', new Error('the moon is full'), /the moon is full/],
    ['something that is no error', 'odd', /odd/],
  ])('%s: one sentence, no stack trace', (_case, error, sentence) => {
    const problem = startupProblem(error, 'Flatline', config);
    expect(problem).toMatch(sentence);
    expect(problem).not.toMatch(/\n|\bat .*:\d+/);
  });
});
