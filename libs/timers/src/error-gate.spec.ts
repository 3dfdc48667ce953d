import { ErrorGate } from './error-gate';

describe('the error gate', () => {
  it('logs the first of a run, counts the rest, and keeps the events apart', () => {
    let nowMs = 0;
    const lines: object[] = [];
    const gate = new ErrorGate(
      { info: () => undefined, error: () => undefined, warn: (fields, message) => lines.push({ message, ...fields }) },
      { now: () => nowMs, monotonic: () => nowMs },
    );
    const err = new Error('away');
    for (let each = 0; each < 100; each += 1) gate.report('the store failed', err);
    gate.report('a wake-up failed', err, { id: 'a' });
    expect(lines).toEqual([
      { message: 'the store failed', err },
      { message: 'a wake-up failed', err, id: 'a' },
    ]);
    nowMs = 10_000;
    gate.report('the store failed', err);
    expect(lines[2]).toEqual({ message: 'the store failed', err, likeItSinceLastLine: 99 });
  });
});
