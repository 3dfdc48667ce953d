import { Transform, type TransformCallback } from 'node:stream';
import { BodyBytes } from '@flatline/service-kernel';

/** Chunks of this size go on as they are. */
const LARGE_BYTES = 4_096;
const GATHERED_LIMIT_BYTES = 16 * 1024;

/**
 * Passes bytes on, those of small chunks that came in one go together. A caller may send each byte as a chunk of its own,
 * and each chunk that waits for the other side takes hundreds of bytes of memory, some megabytes a connection.
 */
export class Gathered extends Transform {
  private small = new BodyBytes(GATHERED_LIMIT_BYTES);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const gathered = this.small.content.length;
    if (chunk.length >= LARGE_BYTES || gathered + chunk.length > GATHERED_LIMIT_BYTES) this.passOn();
    if (chunk.length >= LARGE_BYTES) this.push(chunk);
    else {
      if (this.small.size === 0) setImmediate(() => this.passOnWhenWanted());
      this.small.add(chunk);
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    this.passOn();
    done();
  }

  /** Whoever reads has room again. */
  override _read(size: number): void {
    this.passOnWhenWanted();
    super._read(size);
  }

  /** What is not wanted yet is gathered on, up to the limit; from then on the caller is held back. */
  private passOnWhenWanted(): void {
    if (this.readableLength < this.readableHighWaterMark) this.passOn();
  }

  private passOn(): void {
    if (this.small.size === 0 || this.destroyed) return;
    const { content } = this.small;
    this.small = new BodyBytes(GATHERED_LIMIT_BYTES);
    this.push(content);
  }
}
