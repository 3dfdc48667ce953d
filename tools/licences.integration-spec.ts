import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Licences under which anybody may run Flatline for any purpose, sell that, and pass it on, in our image too. */
const PERMISSIVE = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'Unlicense',
  'Python-2.0',
]);

interface LockedPackage {
  readonly license?: string;
  readonly dev?: boolean;
}

describe('the packages that Flatline runs on', () => {
  const { packages } = JSON.parse(readFileSync(join(__dirname, '../package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  const production = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true);

  it('all have a licence that allows commercial use, and none that asks for our sources', () => {
    expect(production.length).toBeGreaterThan(100);
    const others = production.filter(([, { license }]) => license === undefined || !PERMISSIVE.has(license));
    expect(others.map(([path, { license }]) => `${path}: ${license ?? 'none'}`)).toEqual([]);
  });
});
