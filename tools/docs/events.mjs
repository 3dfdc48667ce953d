/**
 * docs/asyncapi.json and the tables of docs/events.md, from the zod schemas, the fixtures and the docstrings of
 * libs/events: an event says once what it means.
 */
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as path from 'node:path';
import { compiled, root, table } from './writing.mjs';

const folder = path.join(root, 'libs', 'events', 'src');
const { z } = createRequire(import.meta.url)('zod');
const HOUR_MS = 3_600_000;

/** The text of the docstring right above `declaration`, as paragraphs. */
function docstringOf(source, declaration) {
  const match = new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*export const ${declaration}\\b`).exec(source);
  if (!match) throw new Error(`${declaration} has no docstring`);
  return match[1]
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trimEnd())
    .join('\n')
    .trim()
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.replaceAll(/\s+/g, ' '));
}

const constantOf = (type) => type.replace(/\.(\w)/, (_dot, letter) => letter.toUpperCase());

function topics() {
  const source = fs.readFileSync(path.join(folder, 'topics.ts'), 'utf8');
  const library = compiled('libs/events/src/index');
  const names = Object.keys(library).filter((name) => name.endsWith('_TOPIC'));
  return library.TOPICS.map(({ name, retentionMs }) => ({
    name,
    keptHours: retentionMs / HOUR_MS,
    description: docstringOf(
      source,
      names.find((constant) => library[constant] === name),
    ).join(' '),
  }));
}

function events() {
  const library = compiled('libs/events/src/index');
  const folders = fs.readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.map(({ name }) => {
    const type = name.replace('-', '.');
    const { topic, schema } = library[constantOf(type)];
    const source = fs.readFileSync(path.join(folder, name, `${name}.ts`), 'utf8');
    const fixtures = path.join(folder, name, 'fixtures', 'v1');
    return {
      type,
      topic,
      schema,
      description: docstringOf(source, constantOf(type)),
      examples: fs.readdirSync(fixtures).map((file) => ({
        name: path.basename(file, '.json'),
        payload: JSON.parse(fs.readFileSync(path.join(fixtures, file), 'utf8')),
      })),
    };
  });
}

/** AsyncAPI 3: topics as channels, events as messages. */
export function asyncApiDocument() {
  const all = events();
  const channels = topics().map(({ name, description, keptHours }) => [
    name,
    {
      address: name,
      description: `${description} Kept for at least ${keptHours} h.`,
      messages: Object.fromEntries(
        all.filter(({ topic }) => topic === name).map(({ type }) => [type, { $ref: `#/components/messages/${type}` }]),
      ),
    },
  ]);
  const messages = all.map(({ type, schema, description: [summary, ...rest], examples }) => {
    const { $schema: _dialect, ...payload } = z.toJSONSchema(schema, { target: 'draft-7' });
    const description = rest.join('\n\n');
    return [type, { name: type, title: type, summary, ...(description && { description }), payload, examples }];
  });
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Flatline events',
      version: '1',
      description: 'What the services of Flatline tell one another over the event log. Instants are epoch ms in UTC.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(channels),
    components: { messages: Object.fromEntries(messages) },
  };
}

/** Which topics there are, and what each event means. */
export function eventsSection() {
  const topicRows = topics().map(({ name, description, keptHours }) => [`\`${name}\``, description, `${keptHours} h`]);
  const eventTexts = events().map(({ type, topic, schema, description }) => {
    const { data } = schema.shape;
    const fields = Object.keys(data.shape).map((name) => `\`${name}\``);
    return `### ${type}\n\nIn \`${topic}\`. ${description.join('\n\n')}\n\nIts data: ${fields.join(', ')}.`;
  });
  return [table(['topic', 'what it carries', 'kept at least'], topicRows), ...eventTexts].join('\n\n');
}
