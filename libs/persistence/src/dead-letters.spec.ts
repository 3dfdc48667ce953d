import { UnusableSchedule } from '@flatline/domain';
import { QueryFailedError } from 'typeorm';
import { isPoison, reasonOf } from './dead-letters';

function sqlError(code: string, message = 'something'): QueryFailedError {
  return new QueryFailedError('INSERT', [], Object.assign(new Error(message), { code }));
}

describe('what counts as poison', () => {
  it.each(['21000', '22008', '22P05', '23505'])('is data that cannot be stored (%s)', (code) => {
    expect(isPoison(sqlError(code))).toBe(true);
  });

  it.each(['08006', '40P01', '40001', '53100', '57P01', 'ECONNRESET'])('is never a passing trouble (%s)', (code) => {
    expect(isPoison(sqlError(code))).toBe(false);
  });

  it('is a value that breaks our own code, and never an error we do not know', () => {
    expect(isPoison(new RangeError('Invalid time value'))).toBe(true);
    expect(isPoison(new UnusableSchedule('no match'))).toBe(true);
    expect(isPoison(new Error('Connection terminated unexpectedly'))).toBe(false);
  });

  it('is described without the values it was about', () => {
    expect(reasonOf(sqlError('22P02', 'invalid input syntax for type uuid: "hunter2"'))).toBe(
      'refused by the database (SQLSTATE 22P02)',
    );
  });
});
