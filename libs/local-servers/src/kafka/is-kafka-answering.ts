import { probe } from '../probe';

/** Any number; it comes back in the answer. */
const CORRELATION_ID = 0x666c6174;

/** An ApiVersions request, version 0, without a client id: every Kafka answers it. */
const QUESTION = Buffer.alloc(14);
QUESTION.writeInt32BE(10, 0); // length of what follows
QUESTION.writeInt16BE(18, 4); // ApiVersions
QUESTION.writeInt16BE(0, 6); // version
QUESTION.writeInt32BE(CORRELATION_ID, 8);
QUESTION.writeInt16BE(-1, 12); // no client id

/**
 * Whether a broker answers requests on this port, which must be one without TLS. Kafka takes none before its cluster
 * has a leader and has admitted this broker, so a broker that answers can be used.
 */
export function isKafkaAnswering(port: number): Promise<boolean> {
  return probe(port, QUESTION, (answer) => answer.length >= 8 && answer.readInt32BE(4) === CORRELATION_ID);
}
