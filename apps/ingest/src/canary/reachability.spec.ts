import { FakeClock } from '@flatline/test-kit';
import { Reachability } from './reachability';

const LEASE_MS = 10_000;
const HOUR_MS = 3_600_000;

describe('what an ingest may claim of its reachability', () => {
  let clock: FakeClock;
  let reachability: Reachability;
  let startedAt: number;

  beforeEach(() => {
    clock = new FakeClock();
    reachability = new Reachability(clock, LEASE_MS);
    reachability.begin();
    startedAt = clock.now();
  });

  /** A call that is answered so long after it was sent, ms. @returns when it was sent */
  function reached(afterMs = 20): number {
    reachability.noteChecking();
    const sent = reachability.moment();
    clock.advance(afterMs);
    reachability.noteReached(sent);
    return sent.at;
  }

  it('is nothing before the first call got through, and everything since that one was sent', () => {
    clock.advance(300);
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: startedAt, since: null });
    const sentAt = reached();
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: sentAt, since: sentAt });
  });

  it('reaches up to the last call that got through, without a gap', () => {
    const first = reached();
    clock.advance(500);
    const second = reached();
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: second, since: first });
  });

  it('stands while calls fail, and has a gap from the last that got through to the first that does again', () => {
    const before = reached();
    clock.advance(500);
    reachability.noteMissed();
    clock.advance(LEASE_MS / 2 - 520);
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: before, since: before });
    const after = reached();
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: after, since: after });
  });

  it('has a gap up to the answer of a call that was held up on the way, as pings were', () => {
    const before = reached();
    clock.advance(480);
    reached(701);
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: clock.now(), since: clock.now() });
    expect(clock.now() - before).toBe(20 + 480 + 701);
  });

  it('has that gap before the first ping that a front lets through after it stood still, and that is news once', () => {
    const before = reached();
    clock.advance(480);
    reachability.noteChecking();
    const sent = reachability.moment();
    clock.advance(400);
    expect(reachability.noteCame()).toBe(false);
    clock.advance(600);
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: before, since: before });
    expect(reachability.noteCame()).toBe(true);
    const cameAt = clock.now();
    expect(reachability.noteCame()).toBe(false);
    clock.advance(5);
    reachability.noteReached(sent);
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: cameAt, since: cameAt });
  });

  it('is lost after half a lease of failing, until a call gets through', () => {
    reached();
    reachability.noteMissed();
    clock.advance(LEASE_MS / 2 + 1);
    expect(reachability.look()).toEqual({ kind: 'lost' });
    const back = reached();
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: back, since: back });
  });

  it('is open again from a ping on that came while calls fail, and that is news once', () => {
    reached();
    expect(reachability.noteCame()).toBe(false);
    reachability.noteMissed();
    clock.advance(800);
    expect(reachability.noteCame()).toBe(true);
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: clock.now(), since: clock.now() });
    expect(reachability.noteCame()).toBe(false);
  });

  it('is not proven by pings for longer than an hour without a call that gets through', () => {
    reached();
    clock.advance(HOUR_MS);
    reachability.noteMissed();
    expect(reachability.noteCame()).toBe(false);
    expect(reachability.look()).toEqual({ kind: 'unchecked' });
  });

  it('is not lost because the process itself stood still', () => {
    const before = reached();
    clock.advance(60_000);
    expect(reachability.look()).toEqual({ kind: 'proven', upTo: before, since: before });
  });

  it('is not looked at where the address was never answered: a wrong setting keeps no alarm back', () => {
    reachability.noteMissed();
    expect(reachability.noteCame()).toBe(false);
    clock.advance(LEASE_MS / 2 + 1);
    expect(reachability.look()).toEqual({ kind: 'unchecked' });
  });

  it('is not looked at any more after an hour of failing', () => {
    reached();
    reachability.noteMissed();
    clock.advance(HOUR_MS - 20);
    expect(reachability.look()).toEqual({ kind: 'lost' });
    clock.advance(1);
    expect(reachability.look()).toEqual({ kind: 'unchecked' });
  });
});
