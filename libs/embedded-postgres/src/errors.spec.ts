import { explainFailure } from './database-cluster';
import { AlreadyRunning, DataDirectoryNotWritable, DiskFull, explainFileError, PostgresDidNotStart } from './errors';

const failedCall = (code: string) => Object.assign(new Error(`${code}: mkdir`), { code, path: '/' });

describe('what a person reads when the database cannot start', () => {
  it.each([
    ['EACCES', DataDirectoryNotWritable, /belongs to root .*(sudo chown|FLATLINE_DATA_DIR)/],
    ['EROFS', DataDirectoryNotWritable, /read-only file system/],
    ['EEXIST', DataDirectoryNotWritable, /in the way/],
    ['ENOSPC', DiskFull, /disk that holds \/data is full/],
  ])('%s becomes one sentence', (code, kind, sentence) => {
    const explained = explainFileError(failedCall(code), '/data');
    expect(explained).toBeInstanceOf(kind);
    expect((explained as Error).message).toMatch(sentence);
    expect((explained as Error).message.trim().split('\n')).toHaveLength(1);
  });

  it('leaves an unknown error as it is', () => {
    const error = new TypeError('a mistake of ours');
    expect(explainFileError(error, '/data')).toBe(error);
  });

  it('names the process that holds the data, if it is known', () => {
    expect(new AlreadyRunning('/data', 77).message).toBe(
      'Flatline is already running on the data in /data (process 77).',
    );
    expect(new AlreadyRunning('/data', null).message).toBe('Flatline is already running on the data in /data.');
  });

  it('quotes what Postgres complained about, not what it said last', () => {
    const error = explainFailure('/data', 'it ended at once', [
      'FATAL:  data directory "/data" has invalid permissions',
      'LOG:  database system is shut down',
    ]);
    expect(error).toBeInstanceOf(PostgresDidNotStart);
    expect(error.message).toContain('has invalid permissions');
  });

  it('does not take what clients are told that come too early for the reason', () => {
    const output = [
      'FATAL:  could not open file "pg_wal/000000010000000000000001": Permission denied',
      'FATAL:  the database system is starting up',
      'FATAL:  the database system is not yet accepting connections',
    ];
    expect(explainFailure('/data', 'it ended at once', output).message).toContain('could not open file');
    expect(explainFailure('/data', 'it was ended by SIGKILL', output.slice(1)).message).toContain(
      'it was ended by SIGKILL (it said nothing)',
    );
  });

  it('recognises a full disk in what Postgres wrote', () => {
    const output = ['PANIC:  could not write to file "pg_wal/xlogtemp.1": No space left on device'];
    expect(explainFailure('/data', 'it ended at once', output)).toBeInstanceOf(DiskFull);
  });
});
