import type { Readable } from 'node:stream';
import { PING_BODY_LIMIT_BYTES } from './received-signal';

/**
 * Reads a body to its end and keeps its beginning, in constant memory, whatever it is and however long. Ping routes
 * never parse what a job sends.
 */
export async function readBeginning(stream: Readable): Promise<Buffer | undefined> {
  const kept: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (length >= PING_BODY_LIMIT_BYTES) continue;
    kept.push(chunk.subarray(0, PING_BODY_LIMIT_BYTES - length));
    length += chunk.length;
  }
  return length > 0 ? Buffer.concat(kept) : undefined;
}
