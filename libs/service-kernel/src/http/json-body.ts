import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BodyBytes, MemoryBudget } from './body-bytes';
import { Problem } from './problem';

/** The largest body of a management request, in bytes. */
export const BODY_LIMIT_BYTES = 256 * 1024;

/**
 * How much of a body that is too large is read and thrown away before it is refused. A caller that is still sending
 * when we close loses the answer (the kernel resets the connection), so within reason we let it finish.
 */
const DRAIN_LIMIT_BYTES = 8 * 1024 * 1024;

/**
 * What the large bodies under way may take together. The beginnings are not counted, as connections are: whoever floods us
 * with large bodies that never end keeps nobody from sending a small one.
 */
const LARGE_BODIES_LIMIT_BYTES = 32 * 1024 * 1024;
const UNCOUNTED_BYTES = 8 * 1024;

/** Nothing we take is nested more than a few levels; code that recurses must not meet a hundred thousand. */
const MAX_DEPTH = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads every body as JSON, whatever its content type says: clients label JSON as form data, as text or not at all.
 * An empty body is no body. In place of anything else comes the contract's 400 `invalid JSON` as a {@link Problem}, for
 * `BodyPipe` to throw. Refuses a body over {@link BODY_LIMIT_BYTES} with 413, in constant memory; with 503 while others'
 * large bodies take all there is for them.
 */
export function addJsonBodyParser(fastify: FastifyInstance): void {
  const budget = new MemoryBudget(LARGE_BODIES_LIMIT_BYTES);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', async (_request: FastifyRequest, payload: NodeJS.ReadableStream) =>
    parseJson(await readBody(payload, budget)),
  );
}

/** JSON from bytes; undefined from no bytes; a {@link Problem} from anything that is not JSON in UTF-8. */
function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  if (isNestedTooDeeply(bytes)) return new Problem(400, 'JSON is nested too deeply');
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown;
  } catch (cause) {
    return new Problem(400, 'invalid JSON', { cause });
  }
}

/** Counts brackets outside strings; what is no JSON at all is found by the parser afterwards. */
function isNestedTooDeeply(bytes: Buffer): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (inString) {
      if (byte === 0x5c) index += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
  return false;
}

function readBody(payload: NodeJS.ReadableStream, budget: MemoryBudget): Promise<Buffer> {
  const body = new BodyBytes(BODY_LIMIT_BYTES);
  let length = 0;
  let counted = 0;
  let isRefused = false;
  const reading = new Promise<Buffer>((resolve, reject) => {
    const tooLarge = () => reject(new Problem(413, 'body too large'));
    payload.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > DRAIN_LIMIT_BYTES) tooLarge();
      if (isRefused || length > BODY_LIMIT_BYTES) return; // read to its end, and thrown away
      body.add(chunk);
      const more = Math.max(0, body.size - UNCOUNTED_BYTES) - counted;
      isRefused = !budget.take(more);
      if (!isRefused) counted += more;
    });
    payload.on('end', () => {
      if (length > BODY_LIMIT_BYTES) tooLarge();
      else if (isRefused) reject(Problem.unavailable());
      else resolve(body.content);
    });
    payload.on('error', (cause) => reject(new Problem(400, 'body was not received completely', { cause })));
    payload.on('close', () => reject(new Problem(400, 'body was not received completely')));
  });
  return reading.finally(() => budget.giveBack(counted));
}
