import fc from 'fast-check';
import type { Entry, PingEntry } from '../journal/entries';
import { check } from './check';
import { alarm, both, change, failing, first, freeze, history, incidents, messages, pause, type Plant } from './plants';
import { SAMPLE_STARTED_AT, type SampleJob, sampleRun } from './sample-run';
import type { ViolationKind } from './verdict';

const UNTIL_MS = 300_000;
const STRICT = { intervalMs: 4_000, graceMs: 2_000, alertAfterMisses: 1 };
const LIVES: SampleJob = { ...STRICT, id: 'lives', spells: [{ from: 0, to: UNTIL_MS }] };
const DIES: SampleJob = { ...STRICT, id: 'dies', spells: [{ from: 0, to: 60_000 }] };
const RETURNS: SampleJob = {
  ...{ id: 'returns', intervalMs: 5_000, graceMs: 1_000, alertAfterMisses: 2 },
  spells: [
    { from: 0, to: 40_000 },
    { from: 70_000, to: 120_000 },
    { from: 150_000, to: UNTIL_MS },
  ],
};
const NEW: SampleJob = { ...STRICT, id: 'new', spells: [] };
const clean = (): Entry[] => sampleRun({ jobs: [LIVES, DIES, RETURNS, NEW], untilMs: UNTIL_MS });

/** Each breaks one promise and nothing else. */
const PLANTS: readonly [string, ViolationKind, Plant][] = [
  ['an acknowledged ping that is not in the history', 'lost', history('lives', (pings) => pings.slice(1))],
  ['a ping that is in the history twice', 'doubled', history('lives', (pings) => [...pings, pings[3]!])],
  ['a ping that nobody sent', 'invented', history('lives', (pings) => [...pings, { id: 'x', at: pings[0]!.at }])],
  [
    'a ping with the time of a clock that was wrong',
    'misdated',
    history('lives', ([ping, ...rest]) => [{ ...ping!, at: ping!.at + 5_000 }, ...rest]),
  ],
  [
    'a valid ping that was answered 404',
    'refused',
    (entries) => [...entries, { ...first(entries, 'lives'), status: 404, pingId: null }],
  ],
  ['an alarm two seconds after a ping', 'false', alarm('lives', 62_000, 64_004)],
  [
    'an alarm a second before its time',
    'false',
    both(
      incidents('dies', () => []),
      messages('dies', () => []),
      alarm('dies', 61_004, null),
    ),
  ],
  ['an alarm about a job that never pinged', 'false', alarm('new', 62_000, null)],
  ['an alarm while it was paused', 'false', both(pause('lives', 50_000, 100_000), alarm('lives', 70_000, 100_010))],
  [
    'an alarm about a job that tried and could not get through',
    'false',
    both(failing('lives', 100_000, 140_000), alarm('lives', 130_000, 140_004)),
  ],
  [
    'an alarm about a job that met an outage of ours and came as soon as it could',
    'false',
    both(freeze('Flatline', 99_000, 107_000), failing('lives', 100_000, 105_000), alarm('lives', 102_004, 108_004)),
  ],
  [
    'a message about an incident that there is not',
    'false',
    both(
      alarm('dies', 250_000, null),
      incidents('dies', (all) => all.slice(0, 1)),
    ),
  ],
  [
    'a death that was not noticed',
    'missed',
    both(
      incidents('dies', () => []),
      messages('dies', () => []),
    ),
  ],
  [
    'a death and a return that were not noticed',
    'missed',
    both(
      incidents('returns', (all) => all.slice(1)),
      messages('returns', (message) => (message.at < SAMPLE_STARTED_AT + 100_000 ? [] : [message])),
    ),
  ],
  [
    'a receiver that was not told',
    'missed',
    messages('dies', (message) => (message.receiver === 'steady' ? [] : [message])),
  ],
  [
    'a receiver that was told a minute late',
    'missed',
    messages('dies', (message) => [{ ...message, at: message.at + 60_000 }]),
  ],
  [
    'a second key for the same thing',
    'duplicate',
    messages('dies', (message) => [message, { ...message, key: 'other', at: message.at + 5 }]),
  ],
  ['one key for two things', 'duplicate', messages('returns', (message) => [{ ...message, key: message.receiver }])],
  [
    'one silence told as two incidents',
    'duplicate',
    both(
      incidents('dies', ([one]) => [{ ...one!, endedAt: null }]),
      alarm('dies', 200_000, null),
    ),
  ],
  [
    'a recovery before its "down"',
    'order',
    messages('returns', (message) => [
      message.transition === 'recovered' ? message : { ...message, at: message.at + 25_000 },
    ]),
  ],
  [
    'a "down" that overtakes the recovery before it',
    'order',
    messages('returns', (message) => [
      message.transition === 'recovered' ? { ...message, at: message.at + 70_000 } : message,
    ]),
  ],
  [
    'a recovery that nobody is told of',
    'order',
    messages('returns', (message) => (message.transition === 'recovered' ? [] : [message])),
  ],
  [
    'an incident that stays open',
    'order',
    both(
      incidents('returns', (all) => all.map((each) => ({ ...each, endedAt: null }))),
      messages('returns', (message) => (message.transition === 'recovered' ? [] : [message])),
    ),
  ],
  [
    'a recovery without a ping',
    'order',
    both(
      incidents('dies', () => []),
      messages('dies', () => []),
      alarm('dies', 62_004, 180_000),
    ),
  ],
  [
    'a message without a body',
    'garbled',
    (entries) => [...entries, { type: 'garbled', receiver: 'steady', at: SAMPLE_STARTED_AT, what: 'POST' }],
  ],
  [
    'something put aside',
    'leftover',
    (entries) => [...entries, { type: 'leftover', table: 'dead_letter', rows: 1, example: 'x' }],
  ],
  [
    'a process that ended by itself',
    'ended',
    (entries) => [...entries, { type: 'ended', at: SAMPLE_STARTED_AT, what: 'exit code 1: the port is in use' }],
  ],
];

describe('the checker', () => {
  it('finds nothing wrong with a run in which nothing was wrong, and counts it', () => {
    const { figures, violations } = check(clean());
    expect(violations).toEqual([]);
    expect(figures).toEqual({
      ...{ heartbeats: 4, pingsAcknowledged: 75 + 15 + 48, pingsFailed: 0, alarmsDue: 3, alarmsSent: 3, alarmsOpen: 0 },
      ...{ messages: 10, repeats: 0 },
    });
  });

  it.each(PLANTS)('finds %s (%s)', (_what, kind, plant) => {
    expect([...new Set(check(plant(clean())).violations.map((violation) => violation.kind))]).toContain(kind);
  });

  it('allows a message that comes again under the same key', () => {
    const again = messages('dies', (message) => [message, { ...message, at: message.at + 20_000 }])(clean());
    expect(check(again)).toMatchObject({ violations: [], figures: { repeats: 2 } });
  });

  it('allows a refused ping to be in the history', () => {
    const refused = change(clean(), 'ping', 'lives', (ping) => [
      ping.sentAt === SAMPLE_STARTED_AT ? { ...ping, status: 503, pingId: null } : ping,
    ]);
    expect(check(refused)).toMatchObject({ violations: [], figures: { pingsFailed: 1 } });
  });

  it('lets a ping at the very deadline go either way', () => {
    const edge: SampleJob = {
      ...STRICT,
      id: 'edge',
      spells: [
        { from: 0, to: 1 },
        { from: 5_995, to: 6_000 },
      ],
    };
    const inTime = sampleRun({ jobs: [edge], untilMs: 11_000 });
    const tooLate = alarm('edge', 6_004, 6_006)(inTime);
    expect([check(inTime).violations, check(tooLate).violations]).toEqual([[], []]);
    expect(check(tooLate).figures.alarmsOpen).toBe(1);
  });

  it('asks for no alarm while a fault may have hidden the job, and for one soon after it', () => {
    const faults = [
      { kind: 'cut', target: 'Kafka', startedAt: SAMPLE_STARTED_AT + 61_000, endedAt: SAMPLE_STARTED_AT + 80_000 },
    ];
    const run = sampleRun({ jobs: [DIES], untilMs: UNTIL_MS, faults });
    const without = both(
      incidents('dies', () => []),
      messages('dies', () => []),
    )(run);
    const late = alarm('dies', 105_000, null)(without);
    expect(check(late).violations).toEqual([]);
    expect(check(without).violations.map(({ kind }) => kind)).toEqual(['missed']);
  });

  it('lets a ping be taken that lay in the socket of a frozen process for longer than its sender waited', () => {
    const [from, to] = [SAMPLE_STARTED_AT + 61_000, SAMPLE_STARTED_AT + 101_000];
    const run = freeze('Flatline', 61_000, 101_000)(sampleRun({ jobs: [DIES], untilMs: UNTIL_MS }));
    const given: PingEntry = { ...first(run, 'dies'), sentAt: from + 1_000, endedAt: from + 6_000, status: null };
    const told = incidents('dies', ([one]) => [{ ...one!, endedAt: to + 1_000 }])([...run, given]);
    const recovered = both(
      messages('dies', (message) => [
        message,
        { ...message, transition: 'recovered', key: `back ${message.receiver}`, at: to + 2_000 },
      ]),
      alarm('dies', 180_000, null),
    )(told);
    expect(check(recovered).violations).toEqual([]);
  });

  it('knows that Flatline is away until a probe gets through again, unless the network before it was bad, too', () => {
    const held = both(failing('lives', 100_000, 105_000), alarm('lives', 102_004, 108_004));
    const kill = both(freeze('Flatline', 99_000, 99_001), held);
    const probe: SampleJob = { ...STRICT, id: 'probe', intervalMs: 500, spells: LIVES.spells };
    const run = sampleRun({ jobs: [LIVES, probe], untilMs: UNTIL_MS }).map((entry) =>
      entry.type === 'job' && entry.id === 'probe' ? { ...entry, probeOf: 0 } : entry,
    );
    const away = failing('probe', 99_000, 106_000)(kill(run));
    expect(check(away).violations.map(({ kind }) => kind)).toEqual(['false']);
    expect(check(freeze('way-in', 98_000, 101_000)(away)).violations).toEqual([]);
  });

  it('takes an alarm for true that comes late, about a job that was silent before it met an outage', () => {
    const late = both(freeze('Flatline', 126_000, 130_000), failing('returns', 126_000, 131_000));
    const jobs = [
      {
        ...RETURNS,
        spells: [
          { from: 0, to: 40_000 },
          { from: 126_500, to: UNTIL_MS },
        ],
      },
    ];
    const run = sampleRun({ jobs, untilMs: UNTIL_MS });
    const moved = incidents('returns', (all) =>
      all.map((each) => ({ ...each, startedAt: SAMPLE_STARTED_AT + 131_000, endedAt: SAMPLE_STARTED_AT + 131_504 })),
    );
    expect(check(moved(late(run))).violations.filter(({ kind }) => kind === 'false')).toEqual([]);
  });

  it('cannot judge an alarm about a job that had given up for long enough before it tried again', () => {
    const spells = [
      { from: 0, to: 110_000 },
      { from: 140_000, to: UNTIL_MS },
    ];
    const failed = both(failing('gives up', 100_000, 112_000), failing('gives up', 140_000, 143_000));
    const run = failed(sampleRun({ jobs: [{ ...STRICT, id: 'gives up', spells }], untilMs: UNTIL_MS }));
    const [startedAt, endedAt] = [SAMPLE_STARTED_AT + 141_000, SAMPLE_STARTED_AT + 144_004];
    const down = incidents('gives up', ([one]) => [{ ...one!, startedAt, endedAt }])(run);
    expect(check(down).violations.filter(({ kind }) => kind === 'false')).toEqual([]);
  });

  it('cannot judge an alarm about a job that failed to get through when one ingest of several was away', () => {
    const run = both(
      freeze('ingest-1', 99_000, 107_000),
      failing('lives', 100_000, 105_000),
      alarm('lives', 102_004, 108_004),
    );
    expect(check(run(clean()))).toMatchObject({ violations: [], figures: { alarmsOpen: 1 } });
  });

  it('cannot judge a journal that ends in the middle', () => {
    expect(() => check(clean().slice(0, -1))).toThrow(/not that of a whole run/);
  });
});

describe('the checker, whatever the jobs do', () => {
  const spells = fc
    .array(
      fc.record({ lives: fc.integer({ min: 1_000, max: 40_000 }), silent: fc.integer({ min: 500, max: 60_000 }) }),
      {
        maxLength: 4,
      },
    )
    .map((turns) => {
      let at = 0;
      return turns.map(({ lives, silent }) => {
        const span = { from: at, to: at + lives };
        at += lives + silent;
        return span;
      });
    });
  const job = fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    intervalMs: fc.integer({ min: 1_000, max: 20_000 }),
    graceMs: fc.integer({ min: 500, max: 10_000 }),
    alertAfterMisses: fc.integer({ min: 1, max: 3 }),
    spells,
  });
  const jobs = fc.uniqueArray(job, { selector: ({ id }) => id, maxLength: 4 });

  it('finds nothing wrong when nothing is', () => {
    fc.assert(
      fc.property(jobs, (some) => {
        expect(check(sampleRun({ jobs: some, untilMs: UNTIL_MS })).violations).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it('finds every single ping that is taken out of a history', () => {
    fc.assert(
      fc.property(jobs, fc.nat(), (some, choice) => {
        const run = sampleRun({ jobs: some, untilMs: UNTIL_MS });
        const all = run.flatMap((entry) =>
          entry.type === 'history' ? entry.pings.map((ping) => ({ of: entry.id, ping })) : [],
        );
        fc.pre(all.length > 0);
        const victim = all[choice % all.length]!;
        const robbed = history(victim.of, (pings) => pings.filter(({ id }) => id !== victim.ping.id))(run);
        expect(check(robbed).violations.map(({ kind, id }) => [kind, id])).toEqual([['lost', victim.of]]);
      }),
      { numRuns: 40 },
    );
  });

  it('finds every single alarm that lasted for a while and was not told', () => {
    fc.assert(
      fc.property(jobs, fc.nat(), (some, choice) => {
        const run = sampleRun({ jobs: some, untilMs: UNTIL_MS });
        const all = run
          .flatMap((entry) =>
            entry.type === 'incidents' ? entry.incidents.map((incident) => ({ of: entry.id, incident })) : [],
          )
          .filter(
            ({ incident: { startedAt, endedAt } }) =>
              (endedAt ?? Infinity) > startedAt + 5_000 && startedAt < SAMPLE_STARTED_AT + UNTIL_MS - 60_000,
          );
        fc.pre(all.length > 0);
        const { of, incident } = all[choice % all.length]!;
        const silenced = both(
          incidents(of, (each) => each.filter(({ id }) => id !== incident.id)),
          messages(of, (message) => (message.incidentId === incident.id ? [] : [message])),
        )(run);
        expect(check(silenced).violations.map(({ kind, id }) => [kind, id])).toEqual([['missed', of]]);
      }),
      { numRuns: 40 },
    );
  });
});
