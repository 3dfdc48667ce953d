import { type Candidate, leastBusy } from './least-busy';

const candidate = (inFlight: number, isReady = true): Candidate => ({ inFlight, isReady });
const nobody: ReadonlySet<Candidate> = new Set();

describe('who gets the next request', () => {
  it('is the ready one with the fewest under way', () => {
    const [busy, idle, away] = [candidate(5), candidate(1), candidate(0, false)];
    expect(leastBusy([busy, idle, away], nobody, 0)).toBe(idle);
  });

  it('is each in turn while they are equal', () => {
    const all = [candidate(0), candidate(0), candidate(0)];
    const picked = [1, 2, 3].map((turn) => leastBusy(all, nobody, turn));
    expect(new Set(picked).size).toBe(3);
  });

  it('is nobody twice for one request', () => {
    const [one, other] = [candidate(0), candidate(9)];
    expect(leastBusy([one, other], new Set([one]), 0)).toBe(other);
    expect(leastBusy([one, other], new Set([one, other]), 0)).toBeNull();
  });

  it('is one that is not ready rather than nobody', () => {
    const [one, other] = [candidate(3, false), candidate(2, false)];
    expect(leastBusy([one, other], nobody, 0)).toBe(other);
    expect(leastBusy([], nobody, 0)).toBeNull();
  });
});
