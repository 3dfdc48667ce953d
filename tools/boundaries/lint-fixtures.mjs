/**
 * Lints each file of fixtures/ as if it lay where its `// as:` line says, with the workspace's own configuration and
 * project tags, and prints what the boundary rule and the forbidden syntax said: one JSON object, `file name -> message[]`.
 *
 * Run by boundaries.integration-spec.ts; a process of its own because ESLint's configuration is an ES module.
 */
process.env.NX_DAEMON = 'false';

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createProjectGraphAsync } from '@nx/devkit';
import { ESLint } from 'eslint';

const folder = fileURLToPath(new URL('./fixtures', import.meta.url));
const rules = ['@nx/enforce-module-boundaries', 'no-restricted-syntax'];

await createProjectGraphAsync();
const eslint = new ESLint({
  // The files do not exist where they claim to be, so no TypeScript program knows them.
  overrideConfig: { files: ['**/*.ts'], languageOptions: { parserOptions: { project: false, program: null } } },
  ruleFilter: ({ ruleId }) => rules.includes(ruleId),
});

const found = {};
for (const name of readdirSync(folder)) {
  const text = readFileSync(join(folder, name), 'utf8');
  const filePath = /^\/\/ as: (.+)$/m.exec(text)?.[1];
  const [result] = await eslint.lintText(text, { filePath });
  found[name] = result.messages
    .filter(({ ruleId, fatal }) => rules.includes(ruleId) || fatal)
    .map(({ message, line }) => ({ line, message }));
}
console.log(JSON.stringify(found, null, 2));
