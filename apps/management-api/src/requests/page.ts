import { z } from 'zod';
import { integerQuery } from './fields';
import { isId } from './ids';

/** Where a page ended: the instant and the id of its last row. Lists are ordered by both, so a cursor is exact. */
export interface Position {
  /** Epoch ms. */
  readonly at: number;
  readonly id: string;
}

const PAGE_MAX = 100;
const PAGE_DEFAULT = 50;
/** The years that both JavaScript and Postgres can hold, in ms. */
const EARLIEST_MS = Date.UTC(1, 0, 1);
const LATEST_MS = Date.UTC(9999, 11, 31);

/** The opaque text by which a client asks for what follows. */
export function cursorOf({ at, id }: Position): string {
  return Buffer.from(`${at}.${id}`, 'utf8').toString('base64url');
}

/** The position in a cursor; null for a text that is none of ours. */
export function positionOf(cursor: string): Position | null {
  const [, at, id] = /^(-?\d{1,15})\.([0-9a-f-]{36})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8')) ?? [];
  if (at === undefined || id === undefined || !isId(id)) return null;
  const position = { at: Number(at), id };
  return position.at >= EARLIEST_MS && position.at <= LATEST_MS ? position : null;
}

const CURSOR_MESSAGE = 'must be a next_cursor of this list';

const cursor = z
  .string(CURSOR_MESSAGE)
  .max(200, CURSOR_MESSAGE)
  .transform((text, context) => {
    const position = positionOf(text);
    if (position) return position;
    context.addIssue({ code: 'custom', message: CURSOR_MESSAGE });
    return z.NEVER;
  })
  .optional()
  .meta({ description: 'The `next_cursor` of the page before.' });

/** A page of a history, 50 rows unless said. */
export const historyPageQuery = z.object({
  limit: integerQuery(1, PAGE_MAX).default(PAGE_DEFAULT).describe(`Rows of a page; ${PAGE_DEFAULT} unless given.`),
  cursor,
});
export type HistoryPage = z.output<typeof historyPageQuery>;

/** A list that answers everything unless a page is asked for. */
export const listQuery = z.object({
  limit: integerQuery(1, PAGE_MAX).optional().describe('Answer a page of so many instead of everything.'),
  cursor,
});
export type ListPage = z.output<typeof listQuery>;

/** Rows of a page and the cursor of the next one, from one row more than the page holds. */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  position: (row: Row) => Position,
): { rows: readonly Row[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { rows: page, nextCursor: rows.length > limit && last ? cursorOf(position(last)) : null };
}

export const nextCursorField = z
  .string()
  .nullable()
  .meta({ description: 'Ask for the next page with it; null on the last.' });
