import { terminalLine } from './terminal-line';

const plain = { isPretty: false, isStarting: false };
const logged = (level: number): string => JSON.stringify({ level, time: 0, service: 'ingest', msg: 'hello' });

describe('what the terminal shows of a service', () => {
  it('is warnings and worse', () => {
    expect(terminalLine(logged(30), plain)).toBeNull();
    expect(terminalLine(logged(40), plain)).toBe(logged(40));
    expect(terminalLine(logged(60), plain)).toBe(logged(60));
  });

  it('is errors alone while everything starts', () => {
    const starting = { ...plain, isStarting: true };
    expect(terminalLine(logged(40), starting)).toBeNull();
    expect(terminalLine(logged(50), starting)).toBe(logged(50));
    expect(terminalLine('DOWN  nightly backup', starting)).toBe('DOWN  nightly backup');
  });

  it('is short for people', () => {
    expect(terminalLine(logged(50), { ...plain, isPretty: true })).toBe('00:00:00 ERROR hello service=ingest');
  });

  it.each([
    'DOWN  nightly backup  No ping for 2 minutes',
    'ingest did not start: PING_PARTITIONS is 8.',
    '{ "half": ',
    '{"a":1}',
  ])('is what is no line of the log: %s', (line) => {
    expect(terminalLine(line, plain)).toBe(line);
  });

  it('is nothing of an empty line', () => {
    expect(terminalLine('  ', plain)).toBeNull();
  });
});
