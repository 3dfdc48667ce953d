import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

import { eventually, startTestProcess } from '@flatline/test-kit';

import { ScratchWorkspace } from './testing/scratch-workspace';

type Running = ReturnType<typeof startTestProcess>;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Says `ready <pid> <parent>`, and takes a moment to stop, as a server does. */
const server = `
  let isStopping = false;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      if (isStopping) return;
      isStopping = true;
      setTimeout(() => { console.log('stopped'); process.exit(0); }, 300);
    });
  }
  setInterval(() => undefined, 1000);
  console.log('ready', process.pid, process.ppid);
`;

describe('npm start, once installed', () => {
  let workspace: ScratchWorkspace;
  let npm: Running;
  let serverPid: number;

  beforeEach(async () => {
    workspace = new ScratchWorkspace({ installed: true });
    workspace.write('apps/standalone/main.ts', server);
    npm = startTestProcess({
      command: 'npm',
      args: ['start'],
      cwd: workspace.folder,
      env: { npm_config_update_notifier: 'false' },
    });
    serverPid = Number((await npm.line(/^ready \d+ \d+$/)).split(' ')[1]);
  });

  afterEach(async () => {
    await npm.stop('SIGKILL');
    if (isAlive(serverPid)) process.kill(serverPid, 'SIGKILL');
    workspace.remove();
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('%s to npm lets the server stop in order and reports 0', async (signal) => {
    await expect(npm.stop(signal)).resolves.toEqual({ code: 0, signal: null });
    expect(npm.lines).toContain('stopped');
    expect(isAlive(serverPid)).toBe(false);
  });

  it('SIGTERM to the server itself ends npm with 0', async () => {
    process.kill(serverPid, 'SIGTERM');
    await expect(npm.end()).resolves.toEqual({ code: 0, signal: null });
  });

  it('a second Ctrl-C, which npm adds to the terminal’s, does not cut the shutdown short', async () => {
    process.kill(serverPid, 'SIGINT');
    process.kill(npm.pid, 'SIGINT');
    await expect(npm.end()).resolves.toEqual({ code: 0, signal: null });
    expect(npm.lines).toContain('stopped');
  });

  it('the server stops by itself when npm is killed', async () => {
    process.kill(npm.pid, 'SIGKILL');
    await eventually(() => expect(isAlive(serverPid)).toBe(false));
  });
});

describe('npm start, installing', () => {
  let workspace: ScratchWorkspace;

  beforeEach(() => {
    workspace = new ScratchWorkspace({ installed: false });
    // The build has nothing to do: what is tested here is what comes before it.
    workspace.write('package-lock.json', JSON.stringify({ packages: { 'node_modules/a': { version: '1.0.0' } } }));
    workspace.write(
      'tools/install-only.mjs',
      `import { ensureInstalled } from './install.mjs';
      await ensureInstalled().catch((error) => { console.error(error.message); process.exitCode = 1; });`,
    );
    workspace.write(
      'npm-cli.js',
      `const fs = require('node:fs');
       fs.appendFileSync('calls', 'x');
       if (fs.existsSync('offline')) { console.error('npm error network unreachable'); process.exit(1); }
       fs.rmSync('node_modules', { recursive: true, force: true });
       fs.mkdirSync('node_modules');
       setTimeout(() => fs.copyFileSync('package-lock.json', 'node_modules/.package-lock.json'), 300);`,
    );
  });

  afterEach(() => workspace.remove());

  const install = (): Running =>
    startTestProcess({
      args: ['tools/install-only.mjs'],
      cwd: workspace.folder,
      env: { npm_execpath: workspace.path('npm-cli.js') },
    });
  const calls = (): number => (existsSync(workspace.path('calls')) ? readFileSync(workspace.path('calls')).length : 0);

  it('does not happen for --help, nor for words that nobody understands', async () => {
    const start = (...words: string[]): Running =>
      startTestProcess({ args: ['tools/start.mjs', ...words], cwd: workspace.folder });
    const [helped, refused] = [start('cluster', '--help'), start('--port', '9000')];
    expect([await helped.end(), await refused.end()]).toMatchObject([{ code: 0 }, { code: 1 }]);
    for (const { lines } of [helped, refused]) expect(lines[0]).toMatch(/^Flatline takes no arguments/);
    expect(calls()).toBe(0);
  });

  it('happens once when two start at the same time, and not again', async () => {
    const both = await Promise.all([install().end(), install().end()]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    await install().end();
    expect(calls()).toBe(1);
  });

  it('happens again when the lock file asks for something else', async () => {
    await install().end();
    writeFileSync(workspace.path('package-lock.json'), '{"packages":{"node_modules/a":{"version":"1.0.1"}}}');
    await install().end();
    expect(calls()).toBe(2);
  });

  it('leaves a complete folder alone that npm made without us', async () => {
    await install().end();
    rmSync(workspace.path('node_modules/.flatline-installed'));
    await install().end();
    expect(calls()).toBe(1);
  });

  it('takes over from an install that was killed', async () => {
    workspace.write('tmp/install.lock', '4194303\n');
    await expect(install().end()).resolves.toMatchObject({ code: 0 });
  });

  it('shows npm’s words when it fails, and only then', async () => {
    workspace.write('offline', '');
    const failed = install();
    await expect(failed.end()).resolves.toMatchObject({ code: 1 });
    expect(failed.lines).toContain('npm error network unreachable');
    expect(failed.lines.at(-1)).toBe('The dependencies could not be installed (npm ci, see above).');
  });
});
