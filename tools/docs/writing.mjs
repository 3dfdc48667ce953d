/** What the writers of generated documents share. */
import { createRequire } from 'node:module';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as prettier from 'prettier';

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '..', '..');

/** Requires a compiled module by its source path, e.g. `libs/events/src/index`. */
const require = createRequire(import.meta.url);
export const compiled = (source) => require(path.join(root, 'dist', `${source}.js`));

/** A pipe or a line break would end the cell. */
export const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim();

/** A table of GitHub's Markdown. */
export const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');

/** JSON as the format check of the repository wants it. */
export async function format(document) {
  const options = await prettier.resolveConfig(path.join(root, 'docs', 'openapi.json'));
  return prettier.format(JSON.stringify(document), { ...options, parser: 'json' });
}
