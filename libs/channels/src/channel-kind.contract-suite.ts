import type { ChannelKind } from './channel-kind';
import { exampleFacts } from './example-facts';
import { notificationFacts } from './incident-facts';
import type { SendOutcome } from './send-outcome';

/** A kind of channel together with what it talks to. Made anew for each test. */
export interface ChannelHarness {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the suite treats all kinds alike
  readonly kind: ChannelKind<any, any>;
  readonly settings: unknown;
  readonly secret: string | null;
  /** What has arrived, oldest first; `key` is null where the medium carries none. */
  received(): readonly { readonly key: string | null; readonly text: string }[];
  /** Parts of the target that no reason may repeat. */
  readonly confidential: readonly string[];
  /** Makes the other side misbehave from now on, in one of the ways that were declared for the kind. */
  misbehave(failure: ChannelFailure): void | Promise<void>;
  stop(): Promise<void>;
}

/** How the other side of a channel can fail, and what an attempt must then end as. */
const failures = {
  'refuses for now': 'retryable',
  'refuses for good': 'permanent',
  'does not answer': 'retryable',
  'cuts the connection': 'retryable',
  'is not there': 'retryable',
} as const satisfies Record<string, SendOutcome['outcome']>;
export type ChannelFailure = keyof typeof failures;
export const channelFailures = Object.keys(failures) as ChannelFailure[];

const KEY = '0192d3f0-7a10-5c3e-9b1a-0000000000aa';
const outcomes = ['delivered', 'retryable', 'permanent'];

/** What every kind of channel promises. */
export function describeChannelKind(
  name: string,
  start: () => Promise<ChannelHarness>,
  options: { readonly invalidSettings: readonly unknown[]; readonly possibleFailures: readonly ChannelFailure[] },
): void {
  describe(`the channel kind ${name}`, () => {
    let harness: ChannelHarness;
    beforeEach(async () => {
      harness = await start();
    });
    afterEach(async () => {
      await harness.kind.close();
      await harness.stop();
    });

    async function send(facts = exampleFacts(), signal?: AbortSignal): Promise<SendOutcome> {
      const { kind, settings, secret } = harness;
      return kind.send(kind.render(facts), {
        settings: kind.settings.parse(settings),
        secret,
        idempotencyKey: KEY,
        ...(signal ? { signal } : {}),
      });
    }

    it('is known by its name', () => {
      expect(harness.kind.name).toBe(name);
    });

    it('reads back the settings it accepted', () => {
      const parsed: unknown = harness.kind.settings.parse(harness.settings);
      expect(harness.kind.settings.parse(JSON.parse(JSON.stringify(parsed)))).toEqual(parsed);
    });

    it.each([null, 'text', 7, ...options.invalidSettings])('refuses the settings %j', (settings) => {
      expect(harness.kind.settings.safeParse(settings).success).toBe(false);
    });

    it('renders the same message from the same facts, also after they were stored', () => {
      const facts = exampleFacts();
      const stored = notificationFacts.parse(JSON.parse(JSON.stringify(facts)));
      expect(harness.kind.render(stored)).toEqual(harness.kind.render(facts));
    });

    it.each(['down', 'recovered'] as const)('tells once that a heartbeat is %s', async (transition) => {
      expect(await send(exampleFacts({ transition }))).toMatchObject({ outcome: 'delivered' });
      expect(harness.received()).toHaveLength(1);
      expect(harness.received()[0]?.text).toContain('nightly backup');
    });

    it.each(['missed', 'failed', 'overrun', 'unverified'] as const)(
      'tells of an incident that "%s"',
      async (reason) => {
        const facts = exampleFacts({ incident: { reason }, heartbeat: { lastPingedAt: null, intervalSecs: null } });
        expect(await send(facts)).toMatchObject({ outcome: 'delivered' });
      },
    );

    it.each(['قاعدة البيانات', '数据库 🚀', '<b>&"\'', 'x'.repeat(200), 'a\r\nBcc: b@example.com', '\u001b[2J\u0000'])(
      'delivers the name %j',
      async (heartbeatName) => {
        expect(await send(exampleFacts({ heartbeat: { name: heartbeatName } }))).toMatchObject({
          outcome: 'delivered',
        });
        expect(harness.received()).toHaveLength(1);
      },
    );

    it('carries the same idempotency key over every repetition', async () => {
      await send();
      await send();
      const keys = harness.received().map(({ key }) => key);
      expect(keys).toHaveLength(2);
      expect(keys[1]).toBe(keys[0]);
      if (keys[0] !== null) expect(keys[0]).toContain(KEY);
    });

    it('serves many messages at once', async () => {
      const ended = await Promise.all(Array.from({ length: 20 }, () => send()));
      expect(ended.map(({ outcome }) => outcome)).toEqual(ended.map(() => 'delivered'));
      expect(harness.received()).toHaveLength(20);
    });

    it('ends an attempt that is interrupted', async () => {
      if (options.possibleFailures.includes('does not answer')) await harness.misbehave('does not answer');
      const interruption = new AbortController();
      const attempt = send(exampleFacts(), interruption.signal);
      interruption.abort();
      expect(outcomes).toContain((await attempt).outcome);
    });

    it.each(options.possibleFailures)('judges within its limit when the other side %s', async (failure) => {
      await harness.misbehave(failure);
      const startedAt = performance.now();
      const ended = await send();
      expect(ended.outcome).toBe(failures[failure]);
      expect(performance.now() - startedAt).toBeLessThan(harness.kind.sendLimitMs + 2_000);
      for (const part of harness.confidential) expect(ended.reason).not.toContain(part);
    });
  });
}
