import { commandOf, parseOptions } from './options';

const NEW_SEED = 4_711;

describe('the options of npm run chaos', () => {
  it('are ten minutes of everything with a new seed', () => {
    const options = parseOptions([], NEW_SEED);
    expect(options).toMatchObject({ seed: NEW_SEED, minutes: 10, jobs: 60, keep: false, replay: null });
    expect(options.kinds).toContain('kill');
    expect(commandOf(options)).toBe('npm run chaos -- --seed 4711 --minutes 10');
  });

  it('come back from the command that repeats a run', () => {
    const options = parseOptions(['--seed', '7', '--minutes', '0.5', '--faults', 'kill,cut', '--jobs', '12'], NEW_SEED);
    const command = commandOf(options);
    expect(command).toBe('npm run chaos -- --seed 7 --minutes 0.5 --faults kill,cut --jobs 12');
    expect(parseOptions(command.split(' ').slice(4), NEW_SEED)).toEqual(options);
  });

  it('know what faults make sense in the embedded default', () => {
    const options = parseOptions(['--embedded', '--seed', '7'], NEW_SEED);
    expect(options.world).toBe('embedded');
    expect(options.kinds).toContain('outage');
    expect(options.kinds).not.toContain('flush');
    const command = commandOf(options);
    expect(command).toBe('npm run chaos -- --embedded --seed 7 --minutes 10');
    expect(parseOptions(command.split(' ').slice(4), NEW_SEED)).toEqual(options);
  });

  it.each([
    [['--embedded', '--faults', 'flush'], '--faults flush: there are kill, '],
    [['--minutes', '0'], '--minutes must be a number above 0'],
    [['--seed', '-1'], /--seed/],
    [['--jobs', 'many'], '--jobs must be a whole number above 0'],
    [['--faults', 'kill,earthquake'], /--faults earthquake: there are kill, /],
  ])('refuse %j', (args, sentence) => {
    expect(() => parseOptions(args, NEW_SEED)).toThrow(sentence);
  });
});
