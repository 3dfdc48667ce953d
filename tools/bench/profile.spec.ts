interface Times {
  busyMs: number;
  wholeMs: number;
  byPlace: [string, number][];
  byFunction: [string, number][];
}
const { selfTimes } = jest.requireActual<{ selfTimes(profile: object): Times }>('./profile.cjs');

const frame = (id: number, functionName: string, url = '', lineNumber = -1): object => ({
  id,
  callFrame: { functionName, url, lineNumber },
});

describe('the self times of a CPU profile', () => {
  const times = selfTimes({
    nodes: [
      frame(1, '(idle)'),
      frame(2, '(garbage collector)'),
      frame(3, 'send', 'file:///x/node_modules/@some/where/index.js', 9),
      frame(4, 'fold', '/x/dist/apps/deadline-scheduler/src/fold.js', 19),
      frame(5, '', '/x/dist/apps/deadline-scheduler/src/fold.js', 29),
    ],
    samples: [1, 2, 3, 4, 5, 3],
    timeDeltas: [90_000, 1_000, 2_000, 3_000, 4_000, 6_000],
  });

  it('leave idle time out of what was busy', () => {
    expect(times).toMatchObject({ busyMs: 16, wholeMs: 106 });
  });

  it('are summed by package or file, the most first', () => {
    expect(times.byPlace).toEqual([
      ['@some/where', 8],
      ['apps/deadline-scheduler/src/fold.js', 7],
      ['(garbage collector)', 1],
    ]);
  });

  it('and by function with its line', () => {
    expect(times.byFunction).toEqual([
      ['send  @some/where/index.js:10', 8],
      ['(anonymous)  apps/deadline-scheduler/src/fold.js:30', 4],
      ['fold  apps/deadline-scheduler/src/fold.js:20', 3],
      ['(garbage collector)', 1],
    ]);
  });
});
