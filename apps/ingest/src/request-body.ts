import type { Readable } from 'node:stream';
import { Problem } from '@flatline/service-kernel';
import { PING_BODY_LIMIT_BYTES } from './received-signal';

/**
 * Reads a body to its end and keeps its beginning, in constant memory, whatever it is and however long. Ping routes
 * never parse what a job sends.
 */
export async function readBeginning(stream: Readable): Promise<Buffer | undefined> {
  const kept: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (length >= PING_BODY_LIMIT_BYTES) continue;
      kept.push(chunk.subarray(0, PING_BODY_LIMIT_BYTES - length));
      length += chunk.length;
    }
  } catch (cause) {
    throw new Problem(400, 'body was not received completely', { cause });
  }
  return length > 0 ? Buffer.concat(kept) : undefined;
}
