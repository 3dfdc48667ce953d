import fc from 'fast-check';
import { withAbsences } from './absences';
import type { Absence } from './heartbeat';
import { applyPulse, emptyProgress, PULSES_TO_DROP, type ShardProgress } from './watermark';

const T0 = 1_760_000_000_000;
const LEASE_MS = 10_000;
/** After that an append is given up. */
const APPEND_MS = 4_000;

interface Ping {
  readonly receivedAt: number;
}

interface Append {
  readonly sentAt: number;
  readonly lowWatermark: number;
  readonly acceptingSince: number;
  readonly pings: readonly Ping[];
  readonly retiring: boolean;
}

/** An ingest that keeps the rules of fencing, over one partition. What it may do is what the real one may do. */
class ModelIngest {
  waiting: Ping[] = [];
  inFlight: Append | null = null;
  acknowledgedSentAt: number | null = null;
  acceptingSince: number;
  claimedAt = 0;
  gone = false;

  constructor(
    readonly id: string,
    startedAt: number,
  ) {
    this.acceptingSince = startedAt;
  }

  mayAccept(now: number): boolean {
    return !this.gone && this.acknowledgedSentAt !== null && now - this.acknowledgedSentAt <= LEASE_MS / 2;
  }

  accept(now: number): void {
    if (this.mayAccept(now)) this.waiting.push({ receivedAt: now });
    else this.acceptFrom(now);
  }

  private acceptFrom(now: number): void {
    this.acceptingSince = Math.max(now, this.claimedAt + 1);
  }

  send(now: number, retiring: boolean): void {
    if (this.gone || this.inFlight) return;
    if (!this.mayAccept(now)) {
      this.waiting = []; // fenced: answered with 503, never appended
      this.acceptFrom(now + 1);
    }
    const lowWatermark = this.waiting[0]?.receivedAt ?? now;
    this.claimedAt = Math.max(this.claimedAt, lowWatermark);
    const pings = this.waiting;
    this.inFlight = { sentAt: now, lowWatermark, acceptingSince: this.acceptingSince, pings, retiring };
    this.gone = retiring;
  }

  /** The append is stored or not, and its sender hears of it or not. What it did not hear of it sends again. */
  settle(now: number, stored: boolean, heard: boolean): Append | null {
    const append = this.inFlight;
    if (!append) return null;
    this.inFlight = null;
    if (stored && heard) {
      this.waiting = this.waiting.filter((ping) => !append.pings.includes(ping));
      if (!this.mayAccept(now)) this.acceptFrom(now);
      this.acknowledgedSentAt = append.sentAt;
    }
    return stored && now - append.sentAt <= APPEND_MS ? append : null;
  }
}

const steps = fc.array(
  fc.record({
    afterMs: fc.oneof({ weight: 20, arbitrary: fc.integer({ min: 0, max: 300 }) }, fc.integer({ min: 0, max: 12_000 })),
    slot: fc.integer({ min: 0, max: 2 }),
    what: fc.oneof(
      { weight: 12, arbitrary: fc.constant('pulse' as const) },
      { weight: 8, arbitrary: fc.constant('ping' as const) },
      { weight: 8, arbitrary: fc.constant('send' as const) },
      { weight: 8, arbitrary: fc.constant('stored' as const) },
      fc.constantFrom('lost' as const, 'unheard' as const, 'crash' as const, 'retire' as const),
    ),
  }),
  { minLength: 50, maxLength: 600 },
);

describe('the watermark, whatever happens to the ingests', () => {
  /** What the model ingests say is what `PartitionStanding` (apps/ingest) says. */
  it('never moves back, never passes a ping that the log takes later, and shows each time that no job could reach us', () => {
    fc.assert(
      fc.property(steps, (story) => {
        const slots: (ModelIngest | null)[] = [null, null, null];
        let progress: ShardProgress = emptyProgress;
        let absences: readonly Absence[] = [];
        let watchedFrom: number | null = null;
        const turnedAwayAt: number[] = [];
        let now = T0;
        let born = 0;
        const read = (ingest: ModelIngest, append: Append): void => {
          for (const ping of append.pings) {
            expect(ping.receivedAt).toBeGreaterThanOrEqual(progress.watermark ?? 0);
          }
          const before = progress.watermark ?? 0;
          const { lowWatermark, acceptingSince, retiring } = append;
          const pulse = { ingestId: ingest.id, epoch: 1, lowWatermark, acceptingSince, acknowledged: 0, retiring };
          const result = applyPulse(progress, pulse, now, LEASE_MS);
          progress = result.progress;
          if (progress.watermark === null) return;
          expect(progress.watermark).toBeGreaterThanOrEqual(before);
          expect(progress.watermark).toBeLessThanOrEqual(now);
          absences = withAbsences(absences, result.absences);
          watchedFrom ??= progress.watermark;
          const decided = turnedAwayAt.filter((at) => watchedFrom! < at && at < progress.watermark!);
          const unseen = decided.filter((at) => !absences.some((each) => each.startedAt <= at && at <= each.endedAt));
          expect(unseen).toEqual([]);
        };
        for (const { afterMs, slot, what } of story) {
          now += afterMs;
          for (const ingest of slots)
            if (ingest?.inFlight && now - ingest.inFlight.sentAt > APPEND_MS) ingest.settle(now, false, true);
          const ingest = (slots[slot] ??= new ModelIngest(`ingest-${(born += 1)}`, now));
          if (what === 'ping') {
            if (!slots.some((other) => other?.mayAccept(now))) turnedAwayAt.push(now);
            ingest.accept(now);
          }
          if (what === 'send' || what === 'pulse') ingest.send(now, false);
          if (what === 'retire' && ingest.waiting.length === 0) ingest.send(now, true);
          if (what === 'stored' || what === 'unheard' || what === 'lost' || what === 'pulse') {
            const append = ingest.settle(now, what !== 'lost', what !== 'unheard');
            if (append) read(ingest, append);
          }
          if (what === 'crash' || (ingest.gone && !ingest.inFlight)) slots[slot] = null;
        }
      }),
      { numRuns: 60 },
    );
  });

  it('waits for an ingest that crashed for a bounded number of pulses, however many crash one after the other', () => {
    const crashes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(crashes, fc.integer({ min: 100, max: 2_000 }), (lives, everyMs) => {
        let progress: ShardProgress = emptyProgress;
        let now = T0;
        const pulse = (ingestId: string): void => {
          now += everyMs;
          const said = { ingestId, epoch: 1, lowWatermark: now, acceptingSince: T0, acknowledged: 0, retiring: false };
          progress = applyPulse(progress, said, now, LEASE_MS).progress;
        };
        lives.forEach((pulses, index) => {
          for (let count = 0; count < pulses; count += 1) pulse(`crashing-${index}`);
        });
        const bound = Math.max(PULSES_TO_DROP, Math.floor(LEASE_MS / everyMs) + 2);
        for (let count = 0; count < bound; count += 1) pulse('survivor');
        expect(progress).toMatchObject({ watermark: now, ingests: { survivor: {} } });
        expect(Object.keys(progress.ingests)).toHaveLength(1);
      }),
    );
  });
});
