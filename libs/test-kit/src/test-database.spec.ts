import { assertTestDatabase, NotATestDatabase } from './test-database';

describe('the database guard', () => {
  it('admits a database whose name contains test', () => {
    expect(assertTestDatabase('postgresql://u:p@127.0.0.1:5432/test_log_1')).toBe('test_log_1');
  });

  it('refuses any other, without its password in the message', () => {
    const check = (): string => assertTestDatabase('postgresql://u:secret@db.example:5432/flatline');
    expect(check).toThrow(NotATestDatabase);
    expect(check).not.toThrow(/secret/);
  });
});
