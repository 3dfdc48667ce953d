import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from './clock';
import { loadConfig } from './config/load-config';
import { createKernel } from './kernel.module';
import { ShiftedClock } from './shifted-clock';

class StandingClock implements Clock {
  elapsedMs = 0;
  now = (): number => 1_700_000_000_000 + this.elapsedMs;
  monotonic = (): number => this.elapsedMs;
}

describe('a clock that is shifted by a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flatline-test-clock-'));
  const file = join(folder, 'offset');
  const machine = new StandingClock();
  const clock = new ShiftedClock(file, machine);
  afterAll(() => rmSync(folder, { recursive: true }));

  function later(content: string | null): number {
    if (content === null) rmSync(file, { force: true });
    else writeFileSync(file, content);
    machine.elapsedMs += 100;
    return clock.now() - machine.now();
  }

  it('follows what stands in the file within a tenth of a second, and leaves the monotonic clock alone', () => {
    expect(later(null)).toBe(0);
    expect(later('5000\n')).toBe(5_000);
    expect(later('-2500.4')).toBe(-2_500);
    expect(clock.monotonic()).toBe(machine.monotonic());
    expect(later(null)).toBe(0);
  });

  it.each(['', 'soon', 'Infinity'])('is the other clock while the file says "%s"', (content) => {
    expect(later('900')).toBe(900);
    expect(later(content)).toBe(0);
  });

  it('is the clock of a process whose environment names a file, and of no other', () => {
    writeFileSync(file, '86400000');
    const shifted = createKernel(loadConfig({ CLOCK_OFFSET_FILE: file })).clock;
    const plain = createKernel(loadConfig({})).clock;
    const aheadMs = shifted.now() - plain.now();
    expect(aheadMs).toBeGreaterThan(86_000_000);
    expect(aheadMs).toBeLessThan(86_500_000);
  });
});
