import fc from 'fast-check';

import type { ApiDocument, JsonSchema } from './api-document';

/** Texts that people and programs send, and some that nobody should. */
export const texts = fc.oneof(
  fc.constantFrom('x', '30 2 * * *', '@daily', 'Europe/Berlin', 'https://hooks.example/x', 'you@mail.example'),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    '\u0000',
    '1e3',
    '-1',
    '00000000-0000-0000-0000-000000000000',
  ),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
);

/**
 * Values that a schema takes, or nearly: what only a check in code can say is left to chance. Bounds are met often, since
 * that is where mistakes are.
 */
export function valuesOf(document: ApiDocument, given: JsonSchema): fc.Arbitrary<unknown> {
  const schema = document.resolve(given);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices && schema.type !== 'object') return fc.oneof(...choices.map((choice) => valuesOf(document, choice)));
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'integer':
    case 'number': {
      const [min, max] = [schema.minimum ?? -1_000, schema.maximum ?? 1_000_000];
      return fc.oneof(fc.constantFrom(min, max), fc.integer({ min, max }));
    }
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(valuesOf(document, schema.items ?? {}), { maxLength: 4 });
    case 'object':
      return fc.oneof(...(choices ?? [{}]).map((choice) => objects(document, schema, choice)));
    case 'string': {
      const [minLength, maxLength] = [schema.minLength ?? 0, schema.maxLength ?? 300];
      const ofLength = fc.string({ minLength, maxLength: Math.min(maxLength, 300) });
      const usual = schema.examples ? fc.constantFrom(...schema.examples) : fc.constant('x');
      return fc.oneof({ weight: 12, arbitrary: usual }, texts, ofLength, fc.constant('x'.repeat(maxLength)));
    }
    default:
      return fc.jsonValue();
  }
}

function objects(document: ApiDocument, schema: JsonSchema, choice: JsonSchema): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.entries({ ...schema.properties, ...choice.properties });
  const members = Object.fromEntries(fields.map(([name, each]) => [name, valuesOf(document, each)]));
  const requiredKeys = [...(schema.required ?? []), ...(choice.required ?? [])];
  return fc.record(members, { requiredKeys }).map((object) => consistent(schema, object));
}

/** Without the members that the schema forbids beside others, or without others. */
function consistent(schema: JsonSchema, object: Record<string, unknown>): Record<string, unknown> {
  const left = { ...object };
  for (const { not } of schema.allOf ?? []) {
    if (not?.required?.every((name) => name in left)) delete left[not.required[0]!];
  }
  for (const [name, needed] of Object.entries(schema.dependentRequired ?? {})) {
    if (!needed.every((each) => each in left)) delete left[name];
  }
  return left;
}

/** What no field takes, in any place. */
const strange = fc.oneof(
  fc.constantFrom(null, true, -1, 1.5, 1e300, '', ' ', '\u0000', '\ud800', '9'.repeat(400), [], {}, ['x'], { $gt: '' }),
  fc.jsonValue({ maxDepth: 2 }),
);

/** A body with one thing about it changed: a member replaced, taken away, or one that nobody knows. */
export function changed(body: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const change = fc.record({
    which: fc.nat(),
    how: fc.constantFrom('replaced', 'removed', 'added'),
    value: strange,
  });
  return fc.tuple(body, change).map(([original, { which, how, value }]) => {
    if (typeof original !== 'object' || original === null) return value;
    const members = Object.entries(original);
    const [name] = members[which % Math.max(1, members.length)] ?? ['nothing'];
    if (how === 'removed') return Object.fromEntries(members.filter(([each]) => each !== name));
    return Object.fromEntries([...members, [how === 'added' ? 'a_field_nobody_knows' : name, value]]);
  });
}
