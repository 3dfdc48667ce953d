import { silentLogger } from '@flatline/service-kernel';
import { FakeClock } from '@flatline/test-kit';
import { SelfHeartbeat } from './self-heartbeat';

describe('the outgoing heartbeat', () => {
  const clock = new FakeClock();
  let sent: { url: string; answer: (status: number) => void; fail: (error: Error) => void }[];
  let heartbeat: SelfHeartbeat;
  beforeEach(() => {
    sent = [];
    jest.spyOn(globalThis, 'fetch').mockImplementation((url) => {
      return new Promise((resolve, reject) => {
        const answer = (status: number): void => resolve(new Response(null, { status }));
        sent.push({ url: String(url), answer, fail: reject });
      });
    });
    heartbeat = new SelfHeartbeat({ url: 'http://other/ping', everyMs: 60_000, clock, logger: silentLogger() });
  });
  afterEach(() => jest.restoreAllMocks());
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  /** All is well, every ten seconds; a timer is some milliseconds early or late. */
  async function beWell(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 10) {
      heartbeat.allIsWell();
      sent.at(-1)?.answer(200);
      await settled();
      clock.advance(passed % 20 === 0 ? 9_990 : 10_010);
    }
  }

  it('is sent once a minute while all is well, and not otherwise', async () => {
    await beWell(180);
    expect(sent.map(({ url }) => url)).toEqual(['http://other/ping', 'http://other/ping', 'http://other/ping']);
    clock.advance(600_000);
    await settled();
    expect(sent).toHaveLength(3);
  });

  it.each([503, 302])('is sent again with the next look when it was answered %i', async (status) => {
    heartbeat.allIsWell();
    sent[0]?.answer(status);
    await settled();
    clock.advance(10_000);
    await beWell(30);
    expect(sent).toHaveLength(2);
  });

  it('is one at a time, whatever becomes of the one before', async () => {
    for (let minute = 0; minute < 3; minute++) {
      heartbeat.allIsWell();
      clock.advance(60_000);
    }
    expect(sent).toHaveLength(1);
    sent[0]?.fail(new TypeError('fetch failed'));
    await settled();
    heartbeat.allIsWell();
    expect(sent).toHaveLength(2);
  });
});
