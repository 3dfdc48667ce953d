import { BrokerRefusal, LoginRefused } from '../kafka-client';

const UNSUPPORTED_SASL_MECHANISM = 33;
const SASL_AUTHENTICATION_FAILED = 58;

/** What is read of the library's errors. Those with an answer of a broker hold one inner error per refusal. */
interface LibraryError extends Error {
  readonly apiCode?: unknown;
  readonly errors?: readonly unknown[];
  readonly response?: unknown;
}

type Refusal = LibraryError & { readonly apiCode: number };

/**
 * An error of the library in the words of the seam: the first refusal of a broker within it, if there is one. Its `cause`
 * is the error itself.
 */
export function translated(error: unknown): Error {
  const refusal = refusalWithin(error);
  if (!refusal) return new Error(withReason(error), { cause: error });
  const { apiCode: code, message } = refusal;
  if (code === UNSUPPORTED_SASL_MECHANISM || code === SASL_AUTHENTICATION_FAILED) {
    return new LoginRefused('Kafka refused the login', { cause: error });
  }
  return new BrokerRefusal(code, message, { cause: error });
}

/** The whole answer that the library threw away because it holds a refusal; null when there was no answer. */
export function answerDespite<R>(error: unknown): R | null {
  if (!(error instanceof BrokerRefusal)) return null;
  return ((error.cause as LibraryError).response as R | undefined) ?? null;
}

/** The library says that a connection failed; why, for example an untrusted certificate, is in the cause alone. */
function withReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message.replace(/\.$/, '')}: ${withReason(error.cause)}`;
}

function refusalWithin(error: unknown): Refusal | null {
  if (!(error instanceof Error)) return null;
  const { apiCode, errors = [], cause } = error as LibraryError;
  if (typeof apiCode === 'number') return error as Refusal;
  for (const inner of [...errors, cause]) {
    const refusal = refusalWithin(inner);
    if (refusal) return refusal;
  }
  return null;
}
