import fc from 'fast-check';
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { MAX_TOKEN_GENERATION, mintPingToken, verifyPingToken, type TokenKeyring } from './ping-token';

const keyring: TokenKeyring = [Buffer.alloc(32, 1)];
const credential = { heartbeatId: '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a', generation: 7 };

describe('a ping token', () => {
  it('certifies its heartbeat and generation, for any of them', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ min: 0, max: MAX_TOKEN_GENERATION }), (heartbeatId, generation) => {
        const token = mintPingToken({ heartbeatId, generation }, keyring);
        expect(token).toMatch(/^[A-Za-z0-9_-]{44}$/);
        expect(verifyPingToken(token, keyring)).toEqual({ heartbeatId, generation });
      }),
    );
  });

  it('is id, generation and the truncated HMAC-SHA256 of both', () => {
    const signed = Buffer.concat([Buffer.from(credential.heartbeatId.replaceAll('-', ''), 'hex'), Buffer.from([0, 7])]);
    const mac = createHmac('sha256', keyring[0]).update(signed).digest().subarray(0, 15);
    expect(mintPingToken(credential, keyring)).toBe(Buffer.concat([signed, mac]).toString('base64url'));
  });

  it('is refused when any single character was changed', () => {
    const token = mintPingToken(credential, keyring);
    for (let index = 0; index < token.length; index += 1) {
      const forged = token.slice(0, index) + (token[index] === 'A' ? 'B' : 'A') + token.slice(index + 1);
      expect(verifyPingToken(forged, keyring)).toBeNull();
    }
  });

  it('is accepted under an older key of the ring and minted under the newest', () => {
    const rotated: TokenKeyring = [Buffer.alloc(32, 2), keyring[0]];
    expect(verifyPingToken(mintPingToken(credential, keyring), rotated)).toEqual(credential);
    expect(verifyPingToken(mintPingToken(credential, rotated), keyring)).toBeNull();
  });

  it('is never found in anything else, and never throws', () => {
    const others = [
      randomUUID(),
      '',
      'a'.repeat(44),
      '%00',
      'é'.repeat(44),
      '='.repeat(44),
      randomBytes(33).toString('base64url'),
    ];
    for (const other of others) expect(verifyPingToken(other, keyring)).toBeNull();
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => verifyPingToken(text, keyring) === null));
  });
});
