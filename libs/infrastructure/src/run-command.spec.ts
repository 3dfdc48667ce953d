import { type Command, runCommand } from './run-command';

/** A command that would need a database, of which nobody knows. */
const burn: Command<'burn'> = {
  name: 'burn',
  usage: 'say that it shall: burn --yes',
  orderIn: ([word]) => (word === '--yes' ? 'burn' : null),
  obey: () => Promise.reject(new Error('obeyed')),
};

describe('the words of a command', () => {
  async function run(...words: string[]): Promise<{ out: string; err: string; code: number | undefined }> {
    const said = { out: '', err: '' };
    const listenTo = (stream: NodeJS.WriteStream, name: 'out' | 'err') =>
      jest.spyOn(stream, 'write').mockImplementation((text: unknown, ...[heard]: unknown[]) => {
        said[name] += String(text);
        if (typeof heard === 'function') heard();
        return true;
      });
    const spies = [listenTo(process.stdout, 'out'), listenTo(process.stderr, 'err')];
    try {
      await runCommand(burn, words, {});
      return { ...said, code: process.exitCode as number | undefined };
    } finally {
      spies.forEach((spy) => spy.mockRestore());
      process.exitCode = undefined;
    }
  }

  it.each(['--help', '-h'])('%s says how it is used, without any server', async (word) => {
    expect(await run('--yes', word)).toEqual({ out: `burn: ${burn.usage}\n`, err: '', code: undefined });
  });

  it('that are not understood are answered before anything is looked for', async () => {
    expect(await run('--no')).toEqual({ out: '', err: `Nothing was changed: ${burn.usage}.\n`, code: 1 });
  });

  it('that are understood need DATABASE_URL', async () => {
    expect(await run('--yes')).toMatchObject({ err: 'burn did not start: DATABASE_URL must be set.\n', code: 1 });
  });
});
