import { testDefinition } from '@flatline/test-kit';
import { emptyStory, tell } from './story';

const definition = testDefinition({ alertAfterMisses: 5 });
const circumstances = { definition, lastPingAt: 1_000, now: 999_999 };
const blackout = { startedAt: 60_000, endedAt: 90_000 };

describe('the story of a heartbeat', () => {
  it('tells a run of misses as one line, however often it was noticed', () => {
    const story = emptyStory();
    tell(story, { kind: 'missed', sinceAt: 1_000, firstAt: 71_000, lastAt: 71_000, misses: 1 }, circumstances);
    tell(story, { kind: 'missed', sinceAt: 1_000, firstAt: 131_000, lastAt: 191_000, misses: 3 }, circumstances);
    expect(story.transitions).toMatchObject([
      { kind: 'missed', occurredAt: 71_000, run: { lastAt: 191_000, misses: 3 }, incidentId: null },
    ]);
    const noticedAtOnce = emptyStory();
    tell(noticedAtOnce, { kind: 'missed', sinceAt: 1_000, firstAt: 71_000, lastAt: 191_000, misses: 3 }, circumstances);
    expect(noticedAtOnce).toEqual(story);
  });

  it('tells what is unknown with the blackout, under one id for each blackout', () => {
    const story = emptyStory();
    tell(story, { kind: 'unknown', at: 71_000, blackout }, circumstances);
    tell(story, { kind: 'unknown', at: 251_000, blackout: { startedAt: 240_000, endedAt: 260_000 } }, circumstances);
    const [first, second] = story.transitions;
    expect(first).toMatchObject({ kind: 'unknown', occurredAt: 71_000, blackout, run: null });
    expect(second?.id).not.toBe(first?.id);
    // A second deadline of the same blackout is the same line: a statement can write a row only once.
    tell(story, { kind: 'unknown', at: 85_000, blackout }, circumstances);
    expect(story.transitions.map(({ occurredAt }) => occurredAt)).toEqual([71_000, 251_000]);
    const replayed = emptyStory();
    tell(replayed, { kind: 'unknown', at: 71_000, blackout }, { ...circumstances, now: 5 });
    expect(replayed.transitions[0]?.id).toBe(first?.id);
  });

  it('tells nobody of misses and unknown deadlines by themselves', () => {
    const story = emptyStory();
    tell(story, { kind: 'missed', sinceAt: 1_000, firstAt: 71_000, lastAt: 71_000, misses: 1 }, circumstances);
    tell(story, { kind: 'unknown', at: 131_000, blackout }, circumstances);
    expect(story).toMatchObject({ starts: [], ends: [], events: [] });
  });
});
