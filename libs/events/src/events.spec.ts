import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  absenceRecorded,
  eventParser,
  heartbeatDefined,
  heartbeatDeleted,
  incidentOpened,
  incidentResolved,
  ingestPulsed,
  MalformedEvent,
  pingReceived,
} from './index';

const definitions = [
  pingReceived,
  ingestPulsed,
  heartbeatDefined,
  heartbeatDeleted,
  incidentOpened,
  incidentResolved,
  absenceRecorded,
] as const;
const parse = eventParser(...definitions);

const fixtures = definitions.flatMap((definition) => {
  const folder = join(__dirname, definition.type.replace('.', '-'), 'fixtures', 'v1');
  return readdirSync(folder).map((file) => ({
    type: definition.type as string,
    file,
    bytes: readFileSync(join(folder, file)),
  }));
});

describe('events', () => {
  it.each(fixtures)('still reads the recorded $type ($file) without losing a field', ({ type, bytes }) => {
    const event = parse(bytes);
    expect(event.type).toBe(type);
    expect(event).toEqual(JSON.parse(bytes.toString('utf8')));
  });

  it('has a recorded fixture for every event', () => {
    expect(new Set(fixtures.map((fixture) => fixture.type))).toEqual(new Set(definitions.map((each) => each.type)));
  });

  it('keeps fields that a newer producer added', () => {
    const event = JSON.parse(fixtures[0]!.bytes.toString('utf8')) as { data: Record<string, unknown> };
    event.data['region'] = 'eu';
    expect(parse(Buffer.from(JSON.stringify(event))).data).toHaveProperty('region', 'eu');
  });

  it.each([
    ['bytes that are not JSON', '\u0000\u0001'],
    ['JSON that is no object', 'null'],
    ['an unknown type', '{"type":"cat.fed"}'],
    ['a known type without data', '{"type":"ping.received"}'],
  ])('refuses %s as malformed', (_what, text) => {
    expect(() => parse(Buffer.from(text))).toThrow(MalformedEvent);
  });

  it('names the place and never the content of a malformed event', () => {
    const event = JSON.parse(fixtures[0]!.bytes.toString('utf8')) as { data: Record<string, unknown> };
    event.data['heartbeatId'] = 'hunter2';
    const attempt = () => parse(Buffer.from(JSON.stringify(event)));
    expect(attempt).toThrow(/data\.heartbeatId/);
    expect(attempt).not.toThrow(/hunter2/);
  });
});
