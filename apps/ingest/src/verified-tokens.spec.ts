import { randomBytes } from 'node:crypto';
import { mintPingToken, shardOf, type TokenKeyring } from '@flatline/domain';
import { v7 as uuidv7 } from 'uuid';
import { VerifiedTokens } from './verified-tokens';

const KEYRING: TokenKeyring = [randomBytes(32)];
const tokenOf = (heartbeatId: string): string => mintPingToken({ heartbeatId, generation: 3 }, KEYRING);

describe('verified tokens', () => {
  it('say the same the second time, without looking at the signature again', () => {
    const tokens = new VerifiedTokens(KEYRING, 32);
    const heartbeatId = uuidv7();
    const first = tokens.recipientOf(tokenOf(heartbeatId));
    expect(first).toEqual({ heartbeatId, generation: 3, partition: shardOf(heartbeatId, 32) });
    expect(tokens.recipientOf(tokenOf(heartbeatId))).toBe(first);
  });

  it('are never what was not signed, however often it comes', () => {
    const tokens = new VerifiedTokens(KEYRING, 32);
    const forged = mintPingToken({ heartbeatId: uuidv7(), generation: 0 }, [randomBytes(32)]);
    expect([tokens.recipientOf(forged), tokens.recipientOf(forged), tokens.recipientOf('')]).toEqual([
      null,
      null,
      null,
    ]);
  });

  it('forget the oldest when there are too many, and verify it anew', () => {
    const tokens = new VerifiedTokens(KEYRING, 32, 2);
    const [a, b, c] = [tokenOf(uuidv7()), tokenOf(uuidv7()), tokenOf(uuidv7())];
    const [first, second] = [tokens.recipientOf(a), tokens.recipientOf(b)];
    tokens.recipientOf(c);
    expect(tokens.recipientOf(b)).toBe(second);
    expect(tokens.recipientOf(a)).not.toBe(first);
    expect(tokens.recipientOf(a)).toEqual(first);
  });
});
