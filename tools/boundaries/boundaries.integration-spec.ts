import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Problem {
  line: number;
  message: string;
}

const folder = join(__dirname, 'fixtures');
const fixtures = readdirSync(folder).map((name) => {
  const lines = readFileSync(join(folder, name), 'utf8').split('\n');
  const tagged = (tag: string): string =>
    lines.find((line) => line.startsWith(`// ${tag}: `))?.slice(tag.length + 5) ?? '';
  return { name, lines, as: tagged('as'), expected: tagged('expect') };
});
const forbidden = fixtures.filter(({ expected }) => expected !== 'nothing');
const allowed = fixtures.filter(({ expected }) => expected === 'nothing');

describe('the rule of boundaries and forbidden syntax', () => {
  let problems: Record<string, Problem[]>;

  beforeAll(() => {
    problems = JSON.parse(execFileSync(process.execPath, [join(__dirname, 'lint-fixtures.mjs')], { encoding: 'utf8' }));
  });

  it.each(forbidden)('bites: $name, as $as', ({ name, lines, expected }) => {
    const [problem] = problems[name] ?? [];
    expect(problem?.message).toContain(expected);
    expect(lines[(problem?.line ?? 0) - 1]).toMatch(/^import | === /);
  });

  it.each(allowed)('lets pass: $name, as $as', ({ name }) => {
    expect(problems[name]).toEqual([]);
  });
});
