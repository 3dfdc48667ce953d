import { BrokerRefusal, LoginRefused } from '../kafka-client';

const UNSUPPORTED_SASL_MECHANISM = 33;
const SASL_AUTHENTICATION_FAILED = 58;

/**
 * An error of kafkajs in the words of the seam. It hides what a broker answered under "number of retries exceeded" and
 * the like, so the chain of causes is searched for the first error that says something.
 */
export function translated(error: unknown): Error {
  for (let cause: unknown = error; cause instanceof Error; cause = innerError(cause)) {
    if (cause.name === 'KafkaJSSASLAuthenticationError') return loginRefused(cause);
    const { code } = cause as { code?: unknown };
    // Errors of sockets have codes too, but those are words.
    if (typeof code !== 'number') continue;
    if (code === UNSUPPORTED_SASL_MECHANISM || code === SASL_AUTHENTICATION_FAILED) return loginRefused(cause);
    return new BrokerRefusal(code, cause.message, { cause });
  }
  return error instanceof Error ? error : new Error(String(error));
}

/** Its messages for the codes of `isOfGroupLife`; what it logs has no codes. */
const OF_GROUP_LIFE = [
  "The coordinator is loading and hence can't process requests for this group",
  'The group coordinator is not available',
  'This is not the correct coordinator for this group',
  'The group is rebalancing, so a rejoin is needed',
];

/** Whether a line that kafkajs logs tells of nothing but the life of a group, see `isOfGroupLife`. */
export const tellsOfGroupLife = (...texts: (string | undefined)[]): boolean =>
  texts.some((text) => OF_GROUP_LIFE.some((message) => text?.includes(message)));

function innerError(error: Error): unknown {
  const { errors } = error as { errors?: unknown };
  return Array.isArray(errors) ? errors[0] : error.cause;
}

function loginRefused(cause: Error): LoginRefused {
  return new LoginRefused(`Kafka refused the login: ${cause.message}`, { cause });
}
