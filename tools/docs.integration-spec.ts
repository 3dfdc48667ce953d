import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { describeEnvironment } from '@flatline/service-kernel';
import { readFileSync } from 'node:fs';

const root = join(__dirname, '..');

describe('the documents', () => {
  it('say what the code does: variables, metrics, routes, events, OpenAPI and AsyncAPI are up to date', () => {
    const { status, stderr } = spawnSync(process.execPath, ['tools/docs.mjs', '--check'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('describe every environment variable', () => {
    const operations = readFileSync(join(root, 'docs', 'operations.md'), 'utf8');
    const missing = describeEnvironment().filter(({ name }) => !operations.includes(`| \`${name}\` |`));
    expect(missing).toEqual([]);
  });
});
