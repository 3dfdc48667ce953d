import { FakeClock } from './fake-clock';

describe('FakeClock', () => {
  it('stands still until told to move', () => {
    const clock = new FakeClock('2026-03-01T12:00:00Z');
    expect(clock.now()).toBe(Date.parse('2026-03-01T12:00:00Z'));
    clock.advance(1500);
    expect([clock.now(), clock.monotonic()]).toEqual([Date.parse('2026-03-01T12:00:01.500Z'), 1500]);
  });

  it('steps the wall clock without passing time', () => {
    const clock = new FakeClock(10_000);
    clock.step(-4000);
    expect([clock.now(), clock.monotonic()]).toEqual([6000, 0]);
  });

  it('refuses to run backwards', () => {
    expect(() => new FakeClock().advance(-1)).toThrow(RangeError);
  });
});
