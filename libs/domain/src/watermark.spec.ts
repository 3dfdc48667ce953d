import {
  applyPulse,
  emptyProgress,
  notePing,
  presumedAbsences,
  type Pulse,
  PULSES_TO_DROP,
  type ShardProgress,
} from './watermark';

const T0 = 1_760_000_000_000;
const LEASE_MS = 10_000;

function pulse(at: number, overrides: Partial<Pulse> = {}): Pulse {
  return {
    ingestId: 'a',
    epoch: 1,
    lowWatermark: T0 + at,
    acceptingSince: T0,
    acknowledged: 0,
    retiring: false,
    ...overrides,
  };
}

/** Applies pulses one after the other; each is appended at the latest instant that was claimed so far. */
function after(...pulses: Pulse[]): { progress: ShardProgress; absences: [number, number][]; missing: number } {
  let progress = emptyProgress;
  let appendedAt = 0;
  const absences: [number, number][] = [];
  let missing = 0;
  for (const each of pulses) {
    appendedAt = Math.max(appendedAt, each.lowWatermark);
    const result = applyPulse(progress, each, appendedAt, LEASE_MS);
    progress = result.progress;
    absences.push(...result.absences.map((gap): [number, number] => [gap.startedAt - T0, gap.endedAt - T0]));
    missing += result.missingRecords;
  }
  return { progress, absences, missing };
}

describe('the watermark of a shard', () => {
  it('does not exist before the first pulse', () => {
    expect(emptyProgress.watermark).toBeNull();
  });

  it('is what a single ingest says', () => {
    expect(after(pulse(0), pulse(500)).progress.watermark).toBe(T0 + 500);
  });

  it('is the minimum over the live ingests', () => {
    const { progress } = after(
      pulse(0),
      pulse(500),
      pulse(400, { ingestId: 'b', acceptingSince: T0 + 300 }),
      pulse(900),
    );
    expect(progress.watermark).toBe(T0 + 500);
    expect(after(pulse(500), pulse(100, { ingestId: 'b' }), pulse(900)).progress.watermark).toBe(T0 + 500);
  });

  it('does not move back while the clock of the log does not', () => {
    expect(after(pulse(1_000), pulse(400)).progress.watermark).toBe(T0 + 1_000);
  });

  it('stands where the last ingest retired: the minimum over nobody is not now', () => {
    const { progress } = after(pulse(0), pulse(500, { retiring: true }));
    expect(progress).toMatchObject({ watermark: T0 + 500, ingests: {} });
  });

  it('does not exist before an ingest accepts: one whose clock is ahead of the log leaves no absence behind', () => {
    const ahead = { acceptingSince: T0 + 50 };
    const first = applyPulse(emptyProgress, pulse(50, ahead), T0, LEASE_MS);
    expect(first.progress.watermark).toBeNull();
    const second = applyPulse(first.progress, pulse(300, ahead), T0 + 250, LEASE_MS);
    expect(second).toMatchObject({ progress: { watermark: T0 + 250 }, absences: [] });
    expect(applyPulse(second.progress, pulse(550, ahead), T0 + 500, LEASE_MS).absences).toEqual([]);
  });

  it('is not pushed into the future by a wrong clock', () => {
    const { progress } = applyPulse(emptyProgress, pulse(60_000), T0 + 5, LEASE_MS);
    expect(progress.watermark).toBe(T0 + 5);
  });

  it('goes on at once when an ingest comes back under a higher epoch, and ignores what the lower one still says', () => {
    const restarted = pulse(3_000, { epoch: 2, acceptingSince: T0 + 3_000 });
    const { progress } = after(pulse(500), restarted, pulse(3_500, { epoch: 1 }));
    expect(progress.watermark).toBe(T0 + 3_000);
  });
});

describe('the lease of an ingest', () => {
  const b = (at: number, overrides: Partial<Pulse> = {}): Pulse => pulse(at, { ingestId: 'b', ...overrides });
  /** Pulses of b, four a second, in [from, to). */
  const bBetween = (from: number, to: number): Pulse[] =>
    Array.from({ length: (to - from) / 250 }, (_, index) => b(from + index * 250));

  it('holds the watermark for a lease after its last word, counted while another goes on', () => {
    const { progress } = after(pulse(0), ...bBetween(250, 10_500));
    expect(progress.watermark).toBe(T0);
    expect(Object.keys(progress.ingests).sort()).toEqual(['a', 'b']);
  });

  it('ends when another has appended for more than a lease since: the watermark goes on without it', () => {
    const { progress, absences } = after(pulse(0), b(0), ...bBetween(250, 10_750));
    expect(progress).toMatchObject({ watermark: T0 + 10_500, ingests: { b: {} } });
    expect(Object.keys(progress.ingests)).toEqual(['b']);
    expect(absences).toEqual([]);
  });

  it('leaves an absence where nobody accepted pings', () => {
    const late = (at: number): Pulse => b(at, { acceptingSince: T0 + 4_000 });
    const { absences } = after(pulse(0), ...bBetween(4_000, 14_500).map((each) => late(each.lowWatermark - T0)));
    expect(absences).toEqual([[0, 4_000]]);
  });

  it('does not end while nobody else appends, however long that is', () => {
    expect(after(pulse(0), b(250), b(60_000)).progress.watermark).toBe(T0);
  });

  it('does not end before the others have said enough: the clock of the log may have jumped', () => {
    const few = [b(250), ...Array.from({ length: PULSES_TO_DROP - 2 }, (_, index) => b(60_000 + index))];
    expect(after(pulse(0), ...few).progress.watermark).toBe(T0);
    expect(after(pulse(0), ...few, b(60_100)).progress.watermark).toBe(T0 + 60_100);
  });

  it('begins anew with every pulse', () => {
    const { progress } = after(pulse(0), ...bBetween(250, 9_000), pulse(9_000), ...bBetween(9_250, 19_000));
    expect(progress.watermark).toBe(T0 + 9_000);
  });

  it('is taken up again when a dropped ingest comes back, and the watermark does not move back', () => {
    const { progress } = after(pulse(0), ...bBetween(0, 11_000), pulse(3_000), b(11_000));
    expect(progress.watermark).toBe(T0 + 10_750);
    expect(Object.keys(progress.ingests).sort()).toEqual(['a', 'b']);
  });

  it('is over at once for everybody who retires', () => {
    expect(after(pulse(0), b(0), pulse(250, { retiring: true }), b(500)).progress.watermark).toBe(T0 + 500);
  });

  it('is not renewed by what the log holds twice, and no claim is taken back', () => {
    const { progress } = after(pulse(0), pulse(500), pulse(0), b(600));
    expect(progress.watermark).toBe(T0 + 500);
  });
});

describe('a claim that is older than a lease', () => {
  const claim = (progress: ShardProgress, said: Pulse, appendedAt: number): ShardProgress =>
    applyPulse(progress, said, T0 + appendedAt, LEASE_MS).progress;
  const b = (at: number): Pulse => pulse(at, { ingestId: 'b' });

  it('is no word of an ingest: one whose clock is an hour behind holds nobody up, and is not taken in', () => {
    // Guarded by step 3 of `applyPulse`.
    let progress = after(b(0)).progress;
    progress = claim(progress, pulse(-3_600_000), 100);
    progress = claim(progress, b(250), 250);
    expect(progress).toMatchObject({ watermark: T0 + 250 });
    expect(Object.keys(progress.ingests)).toEqual(['b']);
  });

  it('does not renew a lease: an ingest that holds what is never settled is dropped like one that died', () => {
    // Guarded by step 3 of `applyPulse`.
    let progress = after(b(0), pulse(100)).progress;
    for (let at = 250; at <= 30_000; at += 250) {
      progress = claim(progress, pulse(100), at);
      progress = claim(progress, b(at), at);
    }
    expect(progress).toMatchObject({ watermark: T0 + 30_000 });
    expect(Object.keys(progress.ingests)).toEqual(['b']);
  });

  it('moves nothing when there is nobody else, and the next claim that is new goes on from there', () => {
    let progress = claim(after(pulse(0)).progress, pulse(0), 60_000);
    expect(progress).toMatchObject({ watermark: T0, ingests: { a: { lowWatermark: T0 } } });
    progress = claim(progress, pulse(60_250), 60_250);
    expect(progress).toMatchObject({ watermark: T0 + 60_250 });
  });
});

describe('the clock of the log that is set back', () => {
  const HOUR = 3_600_000;
  const apply = (progress: ShardProgress, said: Pulse, appendedAt: number) =>
    applyPulse(progress, said, T0 + appendedAt, LEASE_MS);

  it('takes the watermark with it, so that no ping dated by the clock that is right now lies behind it', () => {
    // Guarded by `cutTo` in step 2 of `applyPulse`.
    const ahead = after(pulse(0), pulse(HOUR, { acceptingSince: T0 + HOUR })).progress;
    const { progress, absences } = apply(ahead, pulse(1_000, { acceptingSince: T0 + 1_000 }), 1_000);
    expect(progress).toMatchObject({ watermark: T0 + 1_000, ingests: { a: { lowWatermark: T0 + 1_000 } } });
    expect(absences).toEqual([]);
  });

  it('lets an absence be found that lies in the time the wrong clock had claimed already', () => {
    // Guarded by `cutTo`, which ends the spells of the wrong clock.
    const ahead = after(pulse(0), pulse(HOUR)).progress;
    const restarted = apply(ahead, pulse(1_000, { epoch: 2, acceptingSince: T0 + 1_000 }), 1_000).progress;
    const { absences } = apply(restarted, pulse(600_000, { epoch: 3, acceptingSince: T0 + 600_000 }), 600_000);
    expect(absences).toEqual([{ startedAt: T0 + 1_000, endedAt: T0 + 600_000 }]);
  });

  it('does not keep an ingest that died meanwhile alive for as long as it was ahead', () => {
    // Guarded by `cutTo`, which counts the silence from the clock that is right now.
    let progress = after(pulse(HOUR), pulse(HOUR, { ingestId: 'b' }), pulse(HOUR + 250, { ingestId: 'b' })).progress;
    for (let at = 0; at <= LEASE_MS + 500; at += 250)
      progress = apply(progress, pulse(at, { ingestId: 'b' }), at).progress;
    expect(progress).toMatchObject({ watermark: T0 + LEASE_MS + 500, ingests: { b: {} } });
  });
});

describe('a log that was adopted', () => {
  const adopted: ShardProgress = { watermark: T0 + 50_000, ingests: {}, spells: [], adoptedAt: T0 + 90_000 };
  const pulsed = (before: ShardProgress, at: number) =>
    applyPulse(before, pulse(at, { acceptingSince: T0 + Math.min(at, 95_000) }), T0 + at, LEASE_MS);

  /** Guarded by `applyPulse` (1): without it the old pulses look like a clock that was set back to them. */
  it('is read once more without moving the watermark back, and moves it on from the adoption', () => {
    expect(pulsed(adopted, 1_000)).toEqual({ progress: adopted, absences: [], missingRecords: 0 });
    const { progress, absences } = pulsed(adopted, 100_000);
    expect(absences).toEqual([{ startedAt: T0 + 50_000, endedAt: T0 + 95_000 }]);
    expect(progress).toMatchObject({ watermark: T0 + 100_000 });
    expect(progress.adoptedAt).toBeUndefined();
  });
});

describe('absences', () => {
  it('are found between the last word before a crash and the first of the restart', () => {
    const restarted = pulse(3_000, { epoch: 2, acceptingSince: T0 + 2_800 });
    expect(after(pulse(0), pulse(500), restarted).absences).toEqual([[500, 2_800]]);
  });

  it('are found after a clean stop', () => {
    const restarted = pulse(9_100, { epoch: 2, acceptingSince: T0 + 9_000 });
    expect(after(pulse(0), pulse(500, { retiring: true }), restarted).absences).toEqual([[500, 9_000]]);
  });

  it('are found when an ingest turned pings away for a while', () => {
    expect(after(pulse(0), pulse(500), pulse(4_000, { acceptingSince: T0 + 3_500 })).absences).toEqual([[500, 3_500]]);
  });

  it('are none while another ingest accepted pings', () => {
    const { absences } = after(
      pulse(0),
      pulse(0, { ingestId: 'b' }),
      pulse(500),
      pulse(500, { ingestId: 'b' }),
      pulse(600, { retiring: true }),
      pulse(5_000, { ingestId: 'b' }),
      pulse(5_000, { epoch: 2, acceptingSince: T0 + 4_900 }),
      pulse(6_000, { ingestId: 'b' }),
    );
    expect(absences).toEqual([]);
  });

  /** Guarded by `presumedAbsences` in libs/domain/src/watermark.ts. */
  it('are presumed while the lease of an ingest that died runs on, before they are certain', () => {
    const back = pulse(14_000, { ingestId: 'b', acceptingSince: T0 + 14_000 });
    const { progress, absences } = after(pulse(0), pulse(500), back);
    expect(absences).toEqual([]);
    expect(presumedAbsences(progress)).toEqual([{ startedAt: T0 + 500, endedAt: T0 + 14_000 }]);
  });

  /**
   * What lay in the sockets may not all be read yet, so its pulses claim nothing new for a moment, and pings come already.
   * Guarded by `noteSpell` in libs/domain/src/watermark.ts.
   */
  it.each([
    ['a short one', 7_000],
    ['a blackout', 17_000],
  ])('are presumed as soon as an ingest that stood still says since when it takes pings again: %s', (_, ms) => {
    const { progress } = after(pulse(0), pulse(500));
    const back = pulse(500, { acceptingSince: T0 + ms });
    const first = applyPulse(progress, back, T0 + ms + 5, LEASE_MS);
    expect(first.absences).toEqual([]);
    expect(first.progress.watermark).toBe(T0 + 500);
    expect(presumedAbsences(first.progress)).toEqual([{ startedAt: T0 + 500, endedAt: T0 + ms }]);
    const caughtUp = pulse(ms + 250, { acceptingSince: T0 + ms });
    const second = applyPulse(first.progress, caughtUp, T0 + ms + 250, LEASE_MS);
    expect(second.absences).toEqual([{ startedAt: T0 + 500, endedAt: T0 + ms }]);
    expect(presumedAbsences(second.progress)).toEqual([]);
  });

  it('are not presumed from what a clock says that is ahead of that of the log', () => {
    const { progress } = after(pulse(0), pulse(500));
    const ahead = pulse(86_400_000, { acceptingSince: T0 + 86_400_000 });
    expect(presumedAbsences(applyPulse(progress, ahead, T0 + 750, LEASE_MS).progress)).toEqual([]);
  });

  it('are not presumed while everything up to the newest word is covered', () => {
    const { progress } = after(pulse(0), pulse(250, { ingestId: 'b' }), pulse(500), pulse(700));
    expect(presumedAbsences(progress)).toEqual([]);
    expect(presumedAbsences(emptyProgress)).toEqual([]);
  });

  it('are none before the first ingest ever', () => {
    expect(after(pulse(5_000, { acceptingSince: T0 + 4_000 })).absences).toEqual([]);
  });

  it('keep the memory of spells bounded over thousands of pulses and restarts', () => {
    const pulses = Array.from({ length: 5_000 }, (_, index) =>
      pulse(index * 500, { epoch: 1 + Math.floor(index / 100), acceptingSince: T0 + Math.floor(index / 100) * 50_000 }),
    );
    expect(after(...pulses).progress.spells.length).toBeLessThanOrEqual(2);
  });
});

describe('counting what came by', () => {
  it('finds pings that were acknowledged and never seen', () => {
    let progress = after(pulse(0)).progress;
    progress = notePing(progress, { ingestId: 'a', epoch: 1, sequence: 1 });
    expect(applyPulse(progress, pulse(500, { acknowledged: 3 }), T0 + 500, LEASE_MS).missingRecords).toBe(2);
  });

  it('finds nothing missing when all came by, nor when it meets an ingest in the middle of its life', () => {
    let progress = after(pulse(0, { acknowledged: 40 })).progress;
    progress = notePing(progress, { ingestId: 'a', epoch: 1, sequence: 41 });
    expect(applyPulse(progress, pulse(500, { acknowledged: 41 }), T0 + 500, LEASE_MS).missingRecords).toBe(0);
  });
});
