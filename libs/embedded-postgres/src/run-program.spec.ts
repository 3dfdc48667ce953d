import { LastLines } from './run-program';

describe('LastLines', () => {
  it('puts lines together that arrive in pieces', () => {
    const seen: string[] = [];
    const lines = new LastLines(10, (line) => seen.push(line));
    for (const piece of ['one', ' and a half\ntw', 'o\n\n', 'three']) lines.add(piece);
    expect(seen).toEqual(['one and a half', 'two']);
    expect(lines.lines()).toEqual(['one and a half', 'two', 'three']);
  });

  it('keeps only the last ones', () => {
    const lines = new LastLines(2);
    lines.add('1\n2\n3\n4\n');
    expect(lines.lines()).toEqual(['3', '4']);
  });
});
