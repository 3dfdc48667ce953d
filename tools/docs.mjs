/**
 * `npm run docs`: writes what the documents say of the code from the code: environment variables, metrics, routes, events,
 * docs/openapi.json and docs/asyncapi.json. Needs no server.
 *
 * Usage: node tools/docs.mjs [--check]     --check: writes nothing, names what is out of date
 * Exit code: 0 written or up to date, 1 out of date or something could not be described
 *
 * In a page, what stands between `<!-- generated: NAME -->` and `<!-- end -->` is written here; the rest is by hand.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { asyncApiDocument, eventsSection } from './docs/events.mjs';
import { environmentSection } from './docs/environment.mjs';
import { metricsSection } from './docs/metrics.mjs';
import { openApiDocument, routesSection } from './docs/openapi.mjs';
import { format } from './docs/writing.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** The page with its section replaced. Throws when the page has no such section. */
function withSection(page, name, text) {
  const begin = `<!-- generated: ${name} -->\n`;
  const from = page.indexOf(begin);
  const to = page.indexOf('<!-- end -->', from);
  if (from < 0 || to < 0) throw new Error(`there is no section "${name}" to write to`);
  return `${page.slice(0, from + begin.length)}\n${text.trim()}\n\n${page.slice(to)}`;
}

/** Every generated file with its content as it should be. */
async function documents() {
  await build({ quiet: true });
  const openApi = await openApiDocument();
  const sections = [
    ['docs/operations.md', 'environment', environmentSection()],
    ['docs/operations.md', 'metrics', metricsSection()],
    ['docs/events.md', 'events', eventsSection()],
    ['README.md', 'routes', routesSection(openApi)],
  ];
  const files = new Map([
    ['docs/openapi.json', await format(openApi)],
    ['docs/asyncapi.json', await format(asyncApiDocument())],
  ]);
  for (const [file, name, text] of sections) {
    const page = files.get(file) ?? fs.readFileSync(path.join(root, file), 'utf8');
    files.set(file, withSection(page, name, text));
  }
  return files;
}

const isOutOfDate = ([file, content]) => {
  const target = path.join(root, file);
  return !fs.existsSync(target) || fs.readFileSync(target, 'utf8') !== content;
};

try {
  const outOfDate = [...(await documents())].filter(isOutOfDate);
  if (process.argv.includes('--check')) {
    for (const [file] of outOfDate) console.error(`${file} does not say what the code does; run npm run docs`);
    if (outOfDate.length > 0) process.exitCode = 1;
  } else {
    for (const [file, content] of outOfDate) {
      fs.writeFileSync(path.join(root, file), content);
      console.log(`wrote ${file}`);
    }
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
