/**
 * The bytes of one body, in one piece of memory that grows with them. Kept as they came they would cost an object for
 * each chunk, and a caller may send a body byte by byte: 256 kB were 40 MB then.
 */
export class BodyBytes {
  private memory = Buffer.alloc(0);
  private length = 0;

  /** @param limitBytes what comes beyond is left out */
  constructor(private readonly limitBytes: number) {}

  add(chunk: Buffer): void {
    const end = Math.min(this.length + chunk.length, this.limitBytes);
    if (end > this.memory.length) this.growTo(Math.min(Math.max(end, 2 * this.memory.length), this.limitBytes));
    chunk.copy(this.memory, this.length, 0, end - this.length);
    this.length = end;
  }

  /** Memory in use, in bytes: at most twice what came. */
  get size(): number {
    return this.memory.length;
  }

  /** What came, up to the limit. */
  get content(): Buffer {
    return this.memory.subarray(0, this.length);
  }

  private growTo(bytes: number): void {
    const grown = Buffer.allocUnsafe(bytes);
    this.memory.copy(grown, 0, 0, this.length);
    this.memory = grown;
  }
}

/** Memory that many share: whoever asks for more than is left is refused. */
export class MemoryBudget {
  private taken = 0;

  constructor(private readonly limitBytes: number) {}

  take(bytes: number): boolean {
    if (this.taken + bytes > this.limitBytes) return false;
    this.taken += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.taken -= bytes;
  }
}
