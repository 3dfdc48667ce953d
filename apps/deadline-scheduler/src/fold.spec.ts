import { initialState, type HeartbeatDefinition, type RuleContext } from '@flatline/domain';
import { testDefinition } from '@flatline/test-kit';
import { foldDefinition, foldSignals, foldWatermark, LOOK_AGAIN_MS, type Folded } from './fold';
import type { LockedHeartbeat } from './runtime-store';

const NOW = 1_760_000_000_000;
const always: RuleContext = { absences: [], rules: { leaseMs: 10_000 } };
const neverAgain = testDefinition({
  schedule: { kind: 'cron', expression: '0 0 31 2 *', timezone: 'UTC' },
  alertAfterMisses: 1,
});
const mended: HeartbeatDefinition = { ...neverAgain, version: 2, schedule: { kind: 'interval', intervalSecs: 60 } };

function locked(definition: HeartbeatDefinition, before?: Folded): LockedHeartbeat {
  const { state, wakeAt, misfit } = before ?? { state: initialState(definition), wakeAt: null, misfit: null };
  return { definition, state, wakeAt, misfit, shard: 0, restored: null };
}
const pinged = (definition: HeartbeatDefinition, at: number, before?: Folded): Folded =>
  foldSignals(locked(definition, before), [{ id: `ping-${at}`, kind: 'success', receivedAt: at }], at, always, at);

/** Guarded by `unlessMisfit` in fold.ts. */
describe('a heartbeat that cannot be judged', () => {
  it.each<[string, Partial<HeartbeatDefinition>, RegExp]>([
    ['a schedule without a next match', {}, /no match in the future/],
    ['a schedule that is none', { schedule: { ...neverAgain.schedule, expression: 'daily' } as never }, /not valid/],
    ['no interval', { schedule: { kind: 'interval', intervalSecs: 0 } }, /interval/],
    ['pauses that are no list', { pauseSpans: {} as never }, /^its data cannot be used \(TypeError\)$/],
  ])('is marked with the reason and left as it was: %s', (_name, overrides, reason) => {
    const definition = { ...neverAgain, ...overrides };
    const folded = pinged(definition, NOW);
    expect(folded).toMatchObject({ misfit: expect.stringMatching(reason), misfitIsNews: true, changed: true });
    expect(folded.state).toEqual(initialState(definition));
  });

  it('is said once, however often it is pinged, and looked at again after a while', () => {
    const first = pinged(neverAgain, NOW);
    expect(first).toMatchObject({ wakeAt: NOW + LOOK_AGAIN_MS, armAt: NOW + LOOK_AGAIN_MS });
    const second = pinged(neverAgain, NOW + 1_000, first);
    expect(second).toMatchObject({ misfitIsNews: false, changed: false, armAt: null, wakeAt: first.wakeAt });
    const later = NOW + LOOK_AGAIN_MS + 1;
    const looked = foldWatermark(locked(neverAgain, second), later, always, later);
    expect(looked).toMatchObject({ misfitIsNews: false, wakeAt: later + LOOK_AGAIN_MS, armAt: later + LOOK_AGAIN_MS });
  });

  it('is found when it is defined, before anybody pings it', () => {
    expect(foldDefinition(locked(neverAgain), always, NOW)).toMatchObject({ misfitIsNews: true });
  });

  it('is judged again once its definition is mended', () => {
    const misfit = pinged(neverAgain, NOW);
    const defined = foldDefinition(locked(mended, misfit), always, NOW + 1);
    expect(defined).toMatchObject({ misfit: null, misfitIsNews: true, changed: true });
    const up = pinged(mended, NOW + 2, defined);
    expect(up).toMatchObject({ misfit: null, misfitIsNews: false, state: { status: 'up' } });
    const judged = foldWatermark(locked(mended, up), NOW + 100_000, always, NOW + 100_000);
    expect(judged.story.starts).toHaveLength(1);
  });
});
