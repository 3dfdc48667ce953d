import fc from 'fast-check';

import { ADMIN_KEY, ApiSession, sendRequest, useFlatline } from '@flatline/test-kit';
import type { ApiAnswer, ApiHeartbeat } from '@flatline/test-kit';
import { ApiDocument, type Operation } from './api-document';
import { changed, texts, valuesOf } from './schema-arbitrary';

/** Rounds of one request to each operation: some seconds. */
const ROUNDS = 60;
/** Rounds after those for what chance has not met yet: of one in ten requests, missed by all of them once in 10^27 runs. */
const MORE_ROUNDS = 600;

const flatline = useFlatline();
const INSIDES = /(?:\n|\\n)\s+at |node_modules|\bSELECT\b|INSERT INTO|SQLSTATE|at Object\./;

/** What a path parameter, a key and a body are to be; made real when it is sent. */
interface Sample {
  readonly operationId: string;
  readonly target: 'own' | 'of somebody else' | 'nonsense';
  readonly nonsense: string;
  readonly key: 'own' | 'none' | 'wrong';
  readonly query: string;
  readonly body: string;
  readonly contentType: string;
}

describe('requests made from the API document, valid and nearly so', () => {
  let document: ApiDocument;
  let admin: ApiSession;
  /** One project with heartbeats and another with channels, so that nobody is told anything. */
  let watcher: ApiSession;
  let told: ApiSession;
  let own: ApiHeartbeat;
  let alices: ApiHeartbeat;
  /** One of each operation. */
  let rounds: fc.Arbitrary<Sample[]>;
  const succeeded = new Set<string>();
  const refused = new Set<string>();

  beforeAll(async () => {
    document = await ApiDocument.of(flatline.baseUrl);
    admin = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    [watcher, told] = [await admin.createProject('fuzzed'), await admin.createProject('fuzzed, to be told')];
    [own, alices] = [await watcher.create(), await admin.create()];
    rounds = fc.tuple(...document.operations.map(samplesOf));
  });

  it('are answered as documented, without a failure inside', async () => {
    await fc.assert(
      fc.asyncProperty(rounds, async (round) => {
        await Promise.all(round.map(sendAndCheck));
      }),
      // Shrinking would send everything again, to a server that has gone on meanwhile.
      { numRuns: ROUNDS, endOnFailure: true },
    );
    expect(flatline.process.ended).toBeNull();
    expect(flatline.process.lines.filter((line) => /"level":(50|60)|^\s+at /.test(line))).toEqual([]);
  });

  it('reached every operation, and were refused by every one', async () => {
    const ids = document.operations.map(({ operation }) => operation.operationId).sort();
    for (const round of fc.sample(rounds, MORE_ROUNDS)) {
      if (succeeded.size === ids.length && refused.size === ids.length) break;
      await Promise.all(round.map(sendAndCheck));
    }
    expect([...succeeded].sort()).toEqual(ids);
    expect([...refused].sort()).toEqual(ids);
  });

  function samplesOf(operation: Operation): fc.Arbitrary<Sample> {
    return fc.record({
      operationId: fc.constant(operation.operation.operationId),
      target: mostly('own', 'of somebody else', 'nonsense'),
      // Never empty, which would be the path of another operation.
      nonsense: fc.oneof(
        texts.filter((text) => text !== ''),
        fc.uuid(),
        fc.constant(own.token),
      ),
      key: mostly('own', 'none', 'wrong'),
      query: queryOf(operation),
      body: bodyOf(operation),
      contentType: mostly('application/json', 'text/plain', 'application/json; charset=latin1', 'x'),
    });
  }

  function queryOf({ operation }: Operation): fc.Arbitrary<string> {
    const parameters = (operation.parameters ?? []).filter((each) => each.in === 'query');
    const values = parameters.map(({ schema }) =>
      fc.oneof({ weight: 4, arbitrary: valuesOf(document, schema) }, texts),
    );
    const pairs = fc.record(Object.fromEntries(parameters.map(({ name }, at) => [name, values[at]!])), {
      requiredKeys: [],
    });
    return pairs.map((given) =>
      Object.entries(given)
        .map(([name, value]) => `${name}=${percentEncoded(String(value))}`)
        .join('&'),
    );
  }

  function bodyOf({ operation }: Operation): fc.Arbitrary<string> {
    const schema = operation.requestBody?.content['application/json']?.schema;
    if (!schema) return fc.oneof(fc.constant(''), fc.json(), fc.string());
    const valid = valuesOf(document, schema);
    const asText = (value: fc.Arbitrary<unknown>) => value.map((each) => JSON.stringify(each));
    return fc.oneof(
      { weight: 6, arbitrary: asText(valid) },
      { weight: 4, arbitrary: asText(changed(valid)) },
      { weight: 1, arbitrary: fc.json() },
      { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    );
  }

  async function sendAndCheck(sample: Sample): Promise<void> {
    const { operationId } = sample;
    const operation = document.operations.find((each) => each.operation.operationId === operationId)!;
    const session = operationId.startsWith('projects') ? admin : operationId.startsWith('channels') ? told : watcher;
    const parameter = await targetOf(operation, sample, session);
    const path = operation.path.replace(/\{\w+\}/, parameter) + (sample.query && `?${sample.query}`);
    const headers: Record<string, string> = {};
    if (sample.key !== 'none') headers['authorization'] = `Bearer ${sample.key === 'own' ? session.key : 'flk_wrong'}`;
    const withBody = sample.body !== '' && !['get', 'head'].includes(operation.method);
    if (withBody) headers['content-type'] = sample.contentType;
    const method = operation.method.toUpperCase();
    const answer = await sendRequest(flatline.baseUrl, {
      method,
      path,
      headers,
      ...(withBody && { body: Buffer.from(sample.body) }),
    });
    expect(
      complaint(operation, answer) && { said: complaint(operation, answer), path, headers, body: sample.body },
    ).toBe('');
    if (answer.status < 400) succeeded.add(operationId);
    else refused.add(operationId);
  }

  function complaint(operation: Operation, answer: ApiAnswer): string {
    if (answer.status >= 500) return `failed inside: ${answer.status} ${answer.text}`;
    if (INSIDES.test(answer.text)) return `shows its insides: ${answer.text}`;
    // A path that is none any more, such as one with a slash in it, is nothing the document could speak of.
    if (answer.status === 404 || answer.status === 405)
      return typeof answer.json?.error === 'string' || answer.text === '' ? '' : answer.text;
    return document.complaintAbout(operation, answer);
  }

  async function targetOf(operation: Operation, { target, nonsense }: Sample, session: ApiSession): Promise<string> {
    if (!operation.path.includes('{')) return '';
    if (target === 'nonsense') return percentEncoded(nonsense);
    if (operation.path.startsWith('/v1/channels')) {
      const settings = { url: 'https://hooks.example/x' };
      const made = await session.call('POST', '/channels', { kind: 'webhook', name: 'x', settings });
      return target === 'own' ? (made.json.id as string) : alices.id;
    }
    if (target === 'of somebody else') return alices.id;
    if (operation.path.includes('{token}')) return own.token;
    return operation.method === 'delete' ? (await session.create()).id : own.id;
  }
});

function mostly<Value>(usual: Value, ...others: Value[]): fc.Arbitrary<Value> {
  return fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
}

/** Percent-encodes anything; half a surrogate pair, which is no text, becomes the sign for that. */
function percentEncoded(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}
