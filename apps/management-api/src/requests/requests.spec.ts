import { z } from 'zod';
import { fieldErrorsOf } from './field-errors';
import { integerField, integerQuery, nameField } from './fields';
import { isId } from './ids';
import { cursorOf, historyPageQuery, pageOf, positionOf } from './page';

describe('names', () => {
  it.each(['a', ' padded ', '日本語', '👩‍👩‍👧', 'x'.repeat(200), '😀'.repeat(200), 'a\u2028b', '\u200b x'])(
    'can be %j',
    (name) => {
      expect(nameField.parse(name)).toBe(name);
    },
  );

  it.each([
    '',
    ' ',
    '\u3000',
    'x'.repeat(201),
    'a\u0000b',
    'a\nb',
    '\u0085',
    '\u007f',
    '\ud800',
    'x\udfff',
    1,
    null,
    [],
    {},
  ])('cannot be %j', (name) => {
    expect(nameField.safeParse(name).success).toBe(false);
  });

  it('fit the pattern that the API document gives', () => {
    const { pattern } = z.toJSONSchema(nameField) as { pattern: string };
    const fits = new RegExp(pattern, 'u');
    expect(['a', ' padded ', '😀', '日本語'].every((name) => fits.test(name))).toBe(true);
    expect(['', ' ', '\t', 'a\u0000', 'a\u0085'].some((name) => fits.test(name))).toBe(false);
  });
});

describe('numbers', () => {
  it.each([0, 5, 366, 300.0])('can be %j', (value) => {
    expect(integerField(0, 366).parse(value)).toBe(value);
  });

  it.each([-1, 367, 1.5, '5', true, null, NaN, Infinity, 1e30, [], {}, undefined])('cannot be %p', (value) => {
    const { error } = integerField(0, 366).safeParse(value);
    expect(fieldErrorsOf(error!)).toEqual([{ field: 'body', message: 'must be a whole number from 0 to 366' }]);
  });

  it.each(['', ' 5', '5.0', '1e2', '-1', '101', '0x5', '٥', ['1', '2']])('in a query cannot be %j', (text) => {
    expect(integerQuery(1, 100).safeParse(text).success).toBe(false);
  });
});

describe('ids', () => {
  it.each([
    ['0198c5a0-7c5e-7f8a-9d1e-0123456789ab', true],
    ['0198C5A0-7C5E-7F8A-9D1E-0123456789AB', false],
    ['0198c5a07c5e7f8a9d1e0123456789ab', false],
    [' 0198c5a0-7c5e-7f8a-9d1e-0123456789ab', false],
    ['AZjFoHxef4qdHgEjRWeJqwAAQ3J-0sQm9Wc5D_xYt2Lp', false],
    ['', false],
  ])('%j: %j', (text, expected) => {
    expect(isId(text)).toBe(expected);
  });
});

describe('pages', () => {
  const position = { at: 1_767_225_600_123, id: '0198c5a0-7c5e-7f8a-9d1e-0123456789ab' };

  it('go on exactly where the one before ended', () => {
    expect(positionOf(cursorOf(position))).toEqual(position);
  });

  it.each(['', 'x', cursorOf({ ...position, id: 'x' }), cursorOf({ ...position, at: 9e14 }), 'a'.repeat(5_000), '%00'])(
    'do not go on from %j',
    (cursor) => {
      expect(historyPageQuery.safeParse({ cursor }).success).toBe(false);
    },
  );

  it('are 50 rows unless said', () => {
    expect(historyPageQuery.parse({})).toMatchObject({ limit: 50 });
    expect(historyPageQuery.parse({ limit: '7', other: 'x' })).toEqual({ limit: 7 });
  });

  it('say whether another follows', () => {
    const rows = [1, 2, 3].map((at) => ({ ...position, at }));
    expect(pageOf(rows, 3, (row) => row)).toEqual({ rows, nextCursor: null });
    expect(pageOf(rows, 2, (row) => row)).toEqual({ rows: rows.slice(0, 2), nextCursor: cursorOf(rows[1]!) });
    expect(pageOf([], 2, (row: typeof position) => row)).toEqual({ rows: [], nextCursor: null });
  });
});
