import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';

import { startTestProcess } from '@flatline/test-kit';

import { ScratchWorkspace } from './testing/scratch-workspace';

describe('the build', () => {
  let workspace: ScratchWorkspace;

  beforeEach(() => {
    workspace = new ScratchWorkspace({ installed: true });
    workspace.write(
      'libs/domain/src/index.ts',
      `import 'reflect-metadata';
       const decorate = (): ClassDecorator => () => undefined;
       @decorate() export class Judge { constructor(readonly rules: Map<string, string>) {} }
       export const injected = Reflect.getMetadata('design:paramtypes', Judge)[0].name;`,
    );
    workspace.write('libs/domain/src/rule.spec.ts', 'throw new Error("a test ran");');
    workspace.write('libs/domain/src/migrations/0001-first.sql', 'SELECT 1;');
    workspace.write('libs/domain/project.json', '{}');
    workspace.write(
      'apps/ingest/main.ts',
      `import { injected } from '@flatline/domain';
       void import('@flatline/domain').then(({ Judge }) => console.log('injects', injected, 'into', Judge.name));`,
    );
  });

  afterEach(() => workspace.remove());

  const run = (...args: string[]): ReturnType<typeof startTestProcess> =>
    startTestProcess({ args, cwd: workspace.folder });
  const build = async (): Promise<{ code: number | null; output: string }> => {
    const builder = run('tools/build.mjs');
    const { code } = await builder.end();
    return { code, output: builder.lines.join('\n') };
  };

  it('makes programs that run without a loader: aliases resolved, decorator metadata kept', async () => {
    expect((await build()).code).toBe(0);
    const program = run('dist/apps/ingest/main.js');
    await expect(program.line(/^injects Map into Judge$/)).resolves.toBeDefined();
    await program.end();
  });

  it('copies assets and leaves tests and project files out', async () => {
    await build();
    expect(readdirSync(workspace.path('dist/libs/domain'))).toEqual(['src']);
    expect(readdirSync(workspace.path('dist/libs/domain/src')).sort()).toEqual([
      'index.js',
      'index.js.map',
      'migrations',
    ]);
    expect(readFileSync(workspace.path('dist/libs/domain/src/migrations/0001-first.sql'), 'utf8')).toBe('SELECT 1;');
  });

  it('writes nothing when nothing changed, compiles what did and removes what is gone', async () => {
    await build();
    const manifest = workspace.path('dist/.build.json');
    const before = statSync(manifest).mtimeMs;
    expect((await build()).output).toMatch(/^built 0 files, removed 0/);
    expect(statSync(manifest).mtimeMs).toBe(before);

    workspace.write('libs/domain/src/index.ts', 'export const injected = 1; export class Judge {}');
    rmSync(workspace.path('libs/domain/src/migrations/0001-first.sql'));
    expect((await build()).output).toMatch(/^built 1 files, removed 1/);
    expect(existsSync(workspace.path('dist/libs/domain/src/migrations/0001-first.sql'))).toBe(false);
  });

  it('names a file that does not compile, builds the others, and fails again the next time', async () => {
    workspace.write('libs/domain/src/broken.ts', 'export const = 1;');
    for (const attempt of [await build(), await build()]) {
      expect(attempt.code).toBe(1);
      expect(attempt.output).toContain('libs/domain/src/broken.ts does not compile');
    }
    expect(existsSync(workspace.path('dist/apps/ingest/main.js'))).toBe(true);
  });

  it('can run twice at once', async () => {
    const both = await Promise.all([build(), build()]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(readdirSync(workspace.path('dist')).sort()).toEqual(['.build.json', 'apps', 'libs']);
  });
});
