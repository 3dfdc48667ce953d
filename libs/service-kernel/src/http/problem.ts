import { STATUS_CODES } from 'node:http';

/** One thing that is wrong with one field of a request. */
export interface FieldError {
  /** Where, in dotted form, e.g. `interval_secs` or `settings.url`. */
  readonly field: string;
  /** What is wrong, as the rest of a sentence that begins with the field's name. */
  readonly message: string;
}

export interface ProblemOptions {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the answer. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** A 5xx that is part of the contract (not ready, shed load) and needs no line in the log. */
  readonly expected?: boolean;
  readonly cause?: unknown;
}

/** An answer that is an error. Its message is shown to the caller: no secrets, no internals. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly status: number,
    message: string,
    readonly options: ProblemOptions = {},
  ) {
    super(message, { cause: options.cause });
  }

  /** 404 in the words of the contract: for what is unknown, malformed, deleted or somebody else's alike. */
  static notFound(): Problem {
    return new Problem(404, 'not found');
  }

  /** 422 that lists every field that is wrong. */
  static invalid(errors: readonly FieldError[]): Problem {
    const message = errors.map((error) => `${error.field} ${error.message}`).join('; ');
    return new Problem(422, message || 'invalid request', { errors });
  }

  /**
   * 503 with Retry-After: what we stand on is away for the moment. Without a cause it is load that is shed, which callers
   * bring about as often as they like: no line in the log.
   */
  static unavailable(retryAfterSeconds = 1, cause?: unknown): Problem {
    return new Problem(503, 'temporarily unavailable', {
      headers: { 'retry-after': String(retryAfterSeconds) },
      expected: cause === undefined,
      cause,
    });
  }
}

/** What an error answer looks like: the contract's `error`, and the members of RFC 9457 beside it. */
export interface ProblemBody {
  readonly error: string;
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly errors?: readonly FieldError[];
  readonly [extra: string]: unknown;
}

export function problemBody(problem: Problem): ProblemBody {
  const { errors, extra } = problem.options;
  return {
    error: problem.message,
    type: 'about:blank',
    title: STATUS_CODES[problem.status] ?? 'Error',
    status: problem.status,
    ...(errors && errors.length > 0 ? { errors } : {}),
    ...extra,
  };
}
