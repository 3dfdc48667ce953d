import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Self-certifying ping tokens: base64url of heartbeat id (16 bytes) ‖ generation (2 bytes, big endian) ‖ HMAC-SHA256 of
 * both, truncated to 15 bytes. 33 bytes, 44 characters, no padding.
 *
 * A forged token is refused without any look-up, and no database holds a ping credential. 120 bits of the HMAC are far
 * beyond guessing over a network.
 */
const ID_BYTES = 16;
const GENERATION_BYTES = 2;
const MAC_BYTES = 15;
const SIGNED_BYTES = ID_BYTES + GENERATION_BYTES;
const TOKEN_CHARACTERS = ((SIGNED_BYTES + MAC_BYTES) / 3) * 4;
const TOKEN_FORM = /^[A-Za-z0-9_-]+$/;

/** The highest generation a token can carry; rotating a token raises it by one. */
export const MAX_TOKEN_GENERATION = 2 ** (8 * GENERATION_BYTES) - 1;

/** Secret keys, newest first: new tokens are made with the first, tokens of all of them are accepted. */
export type TokenKeyring = readonly [Buffer, ...Buffer[]];

export interface PingCredential {
  readonly heartbeatId: string;
  readonly generation: number;
}

/** The token of a heartbeat under the newest key. */
export function mintPingToken({ heartbeatId, generation }: PingCredential, keyring: TokenKeyring): string {
  const signed = Buffer.alloc(SIGNED_BYTES);
  Buffer.from(heartbeatId.replaceAll('-', ''), 'hex').copy(signed);
  signed.writeUInt16BE(generation, ID_BYTES);
  return Buffer.concat([signed, mac(signed, keyring[0])]).toString('base64url');
}

/** What a token certifies, or null for anything that is not a token of this keyring. Never throws. */
export function verifyPingToken(token: string, keyring: TokenKeyring): PingCredential | null {
  if (token.length !== TOKEN_CHARACTERS || !TOKEN_FORM.test(token)) return null;
  const bytes = Buffer.from(token, 'base64url');
  const signed = bytes.subarray(0, SIGNED_BYTES);
  const given = bytes.subarray(SIGNED_BYTES);
  if (!keyring.some((key) => timingSafeEqual(given, mac(signed, key)))) return null;
  const hex = signed.toString('hex', 0, ID_BYTES);
  return {
    heartbeatId: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
    generation: signed.readUInt16BE(ID_BYTES),
  };
}

function mac(signed: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update(signed).digest().subarray(0, MAC_BYTES);
}
