import { connect } from 'node:net';

/** A server that hangs accepts connections and says nothing. */
const ANSWER_WITHIN_MS = 2_000;

/**
 * Sends `question` to a port of 127.0.0.1 and answers whether what comes back satisfies `isAnswer`, which is asked with
 * all bytes so far. False when nobody listens, the connection ends or nothing comes within 2 s; never throws.
 */
export function probe(port: number, question: Buffer, isAnswer: (received: Buffer) => boolean): Promise<boolean> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const socket = connect({ host: '127.0.0.1', port, timeout: ANSWER_WITHIN_MS });
    const done = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => socket.write(question));
    socket.on('data', (piece) => {
      received = Buffer.concat([received, piece]);
      if (isAnswer(received)) done(true);
    });
    for (const event of ['error', 'timeout', 'end', 'close']) socket.once(event, () => done(false));
  });
}
