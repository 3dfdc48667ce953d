import { planWake } from './wake-plan';

describe('the plan of a timer', () => {
  it('arms at the deadline when nothing is armed, and disarms when nothing is expected', () => {
    expect(planWake(null, 1_000, 0)).toBe(1_000);
    expect(planWake(1_000, null, 0)).toBeNull();
  });

  it('never wakes late: an earlier deadline moves the timer at once', () => {
    expect(planWake(1_000, 999, 0)).toBe(999);
  });

  it('moves once per ping when a heartbeat is pinged once per interval', () => {
    expect(planWake(70_000, 130_000, 60_000)).toBe(130_000);
  });

  it('leaves the timer where it is for pings in quick succession', () => {
    let wakeAt: number | null = null;
    let moves = 0;
    for (let at = 0; at < 600_000; at += 100) {
      const next = planWake(wakeAt, at + 60_000, at);
      if (next !== wakeAt) moves += 1;
      wakeAt = next;
      expect(wakeAt).toBeLessThanOrEqual(at + 60_000);
    }
    expect(moves).toBeLessThanOrEqual(21);
  });
});
