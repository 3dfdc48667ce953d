import { latenessOf } from './lateness';
import { sampleRun } from './sample-run';

describe('how late alarms are told', () => {
  const job = { intervalMs: 2_000, graceMs: 1_000, alertAfterMisses: 1 };
  const spells = Array.from({ length: 10 }, (_, index) => ({ from: index * 10_000, to: index * 10_000 + 1 }));
  const run = sampleRun({ jobs: [{ ...job, id: 'a', spells }], untilMs: 200_000 });

  it('counts the first message of each alarm to a receiver that takes everything', () => {
    let downs = 0;
    const later = run.map((entry) => {
      if (entry.type !== 'message' || entry.transition !== 'down') return entry;
      if (entry.receiver === 'flaky') return { ...entry, at: entry.at + 90_000 };
      downs += 1;
      return { ...entry, at: entry.at + (downs === 10 ? 5_000 : 0) };
    });
    expect(latenessOf(later)).toEqual({ medianMs: 300, p95Ms: 5_300, maxMs: 5_300 });
  });

  it('is nothing when nobody was told of anything', () => {
    expect(latenessOf(run.filter(({ type }) => type !== 'message'))).toBeNull();
  });
});
