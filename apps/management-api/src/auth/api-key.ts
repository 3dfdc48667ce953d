import { createHash, randomBytes } from 'node:crypto';

const KEY_PREFIX = 'flk_';
const KEY_BYTES = 32;
/** Enough of a random key to tell it from others, far too little to guess the rest. */
const SHOWN_CHARACTERS = 12;
/** Of a key somebody made up, less may be shown: it can be as short as 20 characters. */
const SHOWN_CHARACTERS_OF_CHOSEN_KEY = 4;

/** A new management key: 256 random bits. Shown once, kept only as its hash. */
export function newApiKey(): string {
  return KEY_PREFIX + randomBytes(KEY_BYTES).toString('base64url');
}

/** What the database keeps of a key. One round of SHA-256 is enough: nothing about a random key can be guessed. */
export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key, 'utf8').digest();
}

/** The readable beginning by which a person recognises a key. */
export function shownPrefix(key: string): string {
  return key.slice(0, key.startsWith(KEY_PREFIX) ? SHOWN_CHARACTERS : SHOWN_CHARACTERS_OF_CHOSEN_KEY);
}
