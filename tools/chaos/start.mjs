/**
 * `npm run chaos`: faults against a running cluster, and what came of them. See docs/chaos.md.
 *
 * Usage: see options.ts, or --help
 * Out:   what is done when, a table of figures, how soon each fault was over, each violation of a promise
 * Exit code: 0 when no promise was broken, 1 when one was or the run failed, 2 for a wrong option
 */
import { createRequire } from 'node:module';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from '../build.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
await build({ quiet: true });
const require = createRequire(import.meta.url);
const { main } = require(path.join(root, 'dist', 'tools', 'chaos', 'main.js'));
process.exit(await main(process.argv.slice(2), path.join(root, 'tmp', 'chaos')));
