/** Injection token of the {@link Tracing}. */
export const TRACING = Symbol('TRACING');

/** The name under which a place in a trace travels: in HTTP and record headers, and as a column. */
export const TRACEPARENT = 'traceparent';

/** Few and small: ids, kinds, counts. Never a token, a URL, an address or what a job sent. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  /** How this process takes part: `server` and `client` of a request, `producer` and `consumer` of a message. */
  readonly kind?: 'server' | 'client' | 'producer' | 'consumer';
  /** What it follows from, as W3C Trace Context writes it. Without it, or when it cannot be read, a trace begins. */
  readonly parent?: string | null | undefined;
  /** Epoch ms; now unless set. */
  readonly startedAt?: number;
  readonly attributes?: SpanAttributes;
}

/** A step of a story that is told across processes. One that is never ended is never told. */
export interface TraceSpan {
  /** To be handed to what follows from it; null where nothing is traced. */
  readonly traceparent: string | null;
  note(attributes: SpanAttributes): void;
  /** @param reason holds nothing confidential */
  fail(reason: string): void;
  end(): void;
}

/** Tells the story of a ping, from its request to the message about it. */
export interface Tracing {
  /** Whether spans go anywhere. On the path of a ping nothing else may be asked when it is false. */
  readonly isOn: boolean;
  start(name: string, options?: SpanOptions): TraceSpan;
  /** Sends what has ended. Ends within some seconds, collector or no collector. */
  close(): Promise<void>;
}

/** Tells nothing, and passes on what others tell. */
export const NO_TRACING: Tracing = {
  isOn: false,
  start: (_name, { parent } = {}) => ({ traceparent: parent ?? null, note: () => {}, fail: () => {}, end: () => {} }),
  close: () => Promise.resolve(),
};
