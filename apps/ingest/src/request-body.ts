import type { Readable } from 'node:stream';
import { BodyBytes, Problem } from '@flatline/service-kernel';
import { PING_BODY_LIMIT_BYTES } from './received-signal';

/**
 * Reads a body to its end and keeps its beginning, in constant memory, whatever it is and however long. Ping routes
 * never parse what a job sends.
 */
export async function readBeginning(stream: Readable): Promise<Buffer | undefined> {
  const kept = new BodyBytes(PING_BODY_LIMIT_BYTES);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) kept.add(chunk);
  } catch (cause) {
    throw new Problem(400, 'body was not received completely', { cause });
  }
  return kept.content.length > 0 ? kept.content : undefined;
}
