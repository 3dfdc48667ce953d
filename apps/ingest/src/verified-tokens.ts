import { type PingCredential, shardOf, type TokenKeyring, verifyPingToken } from '@flatline/domain';

/** Whose ping it is, and where it goes. */
export interface Recipient extends PingCredential {
  readonly partition: number;
}

/** Some 10 MB when full. Jobs come again and again; the share of them that fits costs a look-up instead of two hashes. */
const KEPT = 50_000;

/** Checks ping tokens and remembers those that are valid. What is not is never kept, so nobody can fill it with noise. */
export class VerifiedTokens {
  private readonly known = new Map<string, Recipient>();

  constructor(
    private readonly keyring: TokenKeyring,
    private readonly partitions: number,
    private readonly kept = KEPT,
  ) {}

  /** What a token certifies, or null for anything that is not a token of this keyring. Never throws. */
  recipientOf(token: string): Recipient | null {
    const known = this.known.get(token);
    if (known) return known;
    const credential = verifyPingToken(token, this.keyring);
    if (!credential) return null;
    const recipient = { ...credential, partition: shardOf(credential.heartbeatId, this.partitions) };
    if (this.known.size >= this.kept) this.forgetOldest();
    // A copy of its own: a piece of a request's URL would keep the whole URL in memory.
    this.known.set(Buffer.from(token, 'latin1').toString('latin1'), recipient);
    return recipient;
  }

  private forgetOldest(): void {
    for (const oldest of this.known.keys()) {
      this.known.delete(oldest);
      return;
    }
  }
}
