const HEX = /^(?:[0-9a-f]{2})+$/i;
const BASE64_ANY = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** The least number of bytes of a key that signs ping tokens. */
export const PING_TOKEN_KEY_BYTES = 32;

/**
 * Reads one key of the keyring: hex, base64 or base64url of at least {@link PING_TOKEN_KEY_BYTES} bytes.
 *
 * Text that is both hex and base64 is taken as hex. Null when it is none of them, or too short.
 */
export function parsePingTokenKey(text: string): Buffer | null {
  if (HEX.test(text) && text.length >= PING_TOKEN_KEY_BYTES * 2) return Buffer.from(text, 'hex');
  if (!BASE64_ANY.test(text)) return null;
  const key = Buffer.from(text.replaceAll('-', '+').replaceAll('_', '/'), 'base64');
  return key.length >= PING_TOKEN_KEY_BYTES ? key : null;
}
