import { z } from 'zod';

/** The latest instant a Date can hold, in ms. Source: ECMAScript, time values. */
const LATEST_INSTANT = 8_640_000_000_000_000;

/** Milliseconds since the Unix epoch, UTC. All instants in events have this form and end in `At`. */
export const instant = z.number().int().nonnegative().max(LATEST_INSTANT);

/** What went wrong with bytes that should have been an event; the record belongs into the dead letters. */
export class MalformedEvent extends Error {
  override readonly name = 'MalformedEvent';
}

/**
 * The frame around every event.
 *
 * `id` is the idempotency key: consumers apply an id once. `occurredAt` is when the thing happened, `producedAt` when
 * the event was made. `key` is the heartbeat id (or the ingest id of a pulse). `correlationId` follows one story
 * through all services: the ping that recovered a heartbeat and the mail about it carry the same one.
 */
export interface EventEnvelope<Type extends string, Data> {
  readonly id: string;
  readonly type: Type;
  readonly occurredAt: number;
  readonly producedAt: number;
  readonly key: string;
  readonly correlationId: string;
  readonly data: Data;
}

export interface EventDefinition<Type extends string, Data> {
  readonly type: Type;
  readonly topic: string;
  /** Parses an envelope with this event's data. Unknown fields are kept: a newer producer may send more. */
  readonly schema: z.ZodType<EventEnvelope<Type, Data>>;
  readonly encode: (event: Omit<EventEnvelope<Type, Data>, 'type'>) => Buffer;
}

/** Defines an event: its past-tense type, its topic and the shape of its data. */
export function defineEvent<Type extends string, Shape extends z.ZodRawShape>(
  type: Type,
  topic: string,
  data: z.ZodObject<Shape>,
): EventDefinition<Type, z.infer<z.ZodObject<Shape>>> {
  const schema = z.looseObject({
    id: z.string(),
    type: z.literal(type),
    occurredAt: instant,
    producedAt: instant,
    key: z.string(),
    correlationId: z.string(),
    data: data.loose(),
  });
  return {
    type,
    topic,
    schema: schema as unknown as z.ZodType<EventEnvelope<Type, z.infer<z.ZodObject<Shape>>>>,
    // Each field by its name: a spread that is added to costs V8 half as much again as all the rest.
    encode: ({ id, occurredAt, producedAt, key, correlationId, data }) =>
      Buffer.from(JSON.stringify({ id, type, occurredAt, producedAt, key, correlationId, data }), 'utf8'),
  };
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a union of unlike definitions has no common data type
type AnyDefinition = EventDefinition<string, any>;
type EventOf<Definition> =
  Definition extends EventDefinition<infer Type, infer Data> ? EventEnvelope<Type, Data> : never;

/**
 * Builds the parser of a topic: bytes of a record to one of the given events.
 *
 * Events we produced are parsed like anyone's. Throws {@link MalformedEvent} for anything else, naming the reason and
 * never the content, which may hold what a job sent.
 */
export function eventParser<Definitions extends readonly AnyDefinition[]>(
  ...definitions: Definitions
): (value: Buffer) => EventOf<Definitions[number]> {
  const byType = new Map<string, AnyDefinition>(definitions.map((definition) => [definition.type, definition]));
  return (value) => {
    let candidate: unknown;
    try {
      candidate = JSON.parse(value.toString('utf8'));
    } catch (cause) {
      throw new MalformedEvent('not JSON', { cause });
    }
    const type = (candidate as { type?: unknown } | null)?.type;
    const definition = typeof type === 'string' ? byType.get(type) : undefined;
    if (!definition) throw new MalformedEvent('unknown event type');
    const parsed = definition.schema.safeParse(candidate);
    if (!parsed.success) {
      const where = parsed.error.issues.map((issue) => issue.path.join('.') || '(root)').join(', ');
      throw new MalformedEvent(`${definition.type} does not fit its schema at: ${where}`);
    }
    return parsed.data as EventOf<Definitions[number]>;
  };
}
