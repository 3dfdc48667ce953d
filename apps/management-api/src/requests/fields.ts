import { z } from 'zod';

/**
 * The kinds of field a request can have. Each message is the end of a sentence that begins with the field's name. What
 * a check in code says is repeated for the API document where JSON Schema cannot see it.
 */

const NAME_MAX_CHARACTERS = 200;
const CONTROL_CHARACTERS = '\\u0000-\\u001f\\u007f-\\u009f';
const NAME_MESSAGE = `must be a string of 1 to ${NAME_MAX_CHARACTERS} characters, not blank and without control characters`;

/** A name people give: any Unicode but control characters, 1 to 200 code points, not blank. Kept as it was sent. */
export const nameField = z
  .string(NAME_MESSAGE)
  .refine(isName, NAME_MESSAGE)
  .meta({
    minLength: 1,
    maxLength: NAME_MAX_CHARACTERS,
    pattern: `^[^${CONTROL_CHARACTERS}]*[^\\s${CONTROL_CHARACTERS}][^${CONTROL_CHARACTERS}]*$`,
  });

function isName(text: string): boolean {
  // Code points, as people count: an emoji is one character. Cs: half of a surrogate pair, which is no text.
  return text.trim() !== '' && [...text].length <= NAME_MAX_CHARACTERS && !/[\p{Cc}\p{Cs}]/u.test(text);
}

/** A whole number between two bounds, both allowed; no text, no fraction, no truth value. */
export function integerField(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z.int(message).min(min, message).max(max, message);
}

/** A whole number in a query string. */
export function integerQuery(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string(message)
    .refine((text) => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max, message)
    .transform(Number)
    .meta({ type: 'integer', minimum: min, maximum: max });
}

/** An instant in answers: RFC 3339 in UTC with milliseconds. */
export const instantField = z.string().meta({ format: 'date-time', examples: ['2026-01-31T06:00:00.000Z'] });

/** Epoch ms as answers write it. */
export function rfc3339(at: number): string;
export function rfc3339(at: number | null): string | null;
export function rfc3339(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
