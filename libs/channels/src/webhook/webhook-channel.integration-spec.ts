import type { LookupAddress } from 'node:dns';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually, startWebhookReceiver } from '@flatline/test-kit';
import type { WebhookReceiver } from '@flatline/test-kit';
import { Webhook } from 'standardwebhooks';
import type { ChannelKind } from '../channel-kind';
import { exampleFacts } from '../example-facts';
import type { SendOutcome } from '../send-outcome';
import type { WebhookMessage } from './render-webhook';
import type { ResolveAll } from './vetted-lookup';
import { createWebhookChannel } from './webhook-channel';
import type { WebhookSettings } from './webhook-settings';
import { newWebhookSecret } from './webhook-signature';

type WebhookChannel = ChannelKind<WebhookSettings, WebhookMessage>;
const ID = 'n-1';
const secret = newWebhookSecret();
const loopback: LookupAddress = { address: '127.0.0.1', family: 4 };
/** Public, and nobody answers there from a test machine. */
const elsewhere: LookupAddress = { address: '192.175.47.1', family: 4 };

let receiver: WebhookReceiver;
const channels: WebhookChannel[] = [];

beforeEach(async () => {
  receiver = await startWebhookReceiver();
});
afterEach(async () => {
  await Promise.all(channels.splice(0).map((channel) => channel.close()));
  await receiver.stop();
});

function channel(options: Partial<Parameters<typeof createWebhookChannel>[0]> = {}): WebhookChannel {
  const made = createWebhookChannel({ allowPrivateTargets: true, now: Date.now, sendLimitMs: 1_000, ...options });
  channels.push(made);
  return made;
}

function send(through: WebhookChannel, url: string): Promise<SendOutcome> {
  return through.send(through.render(exampleFacts()), { settings: { url }, secret, idempotencyKey: ID });
}

/** A name server that gives these answers in turn, the last one for ever. */
function resolverOf(...answers: LookupAddress[][]): ResolveAll & { asked: number } {
  const resolver = ((_hostname, _options, done) => {
    const answer = answers[Math.min(resolver.asked, answers.length - 1)] ?? [];
    resolver.asked += 1;
    done(null, answer);
  }) as ResolveAll & { asked: number };
  resolver.asked = 0;
  return resolver;
}

describe('a webhook', () => {
  it('is verified by the reference library of Standard Webhooks', async () => {
    await send(channel(), `${receiver.url}/hook`);
    const [request] = receiver.requests;
    expect(request).toMatchObject({ method: 'POST', path: '/hook' });
    expect(request?.headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': ID });
    const verified = new Webhook(secret).verify(request?.body ?? '', request?.headers as Record<string, string>);
    expect(verified).toMatchObject({ type: 'heartbeat.down' });
  });

  it('goes over kept connections and survives their end', async () => {
    const webhook = channel();
    for (let round = 0; round < 3; round += 1) {
      expect(await send(webhook, receiver.url)).toMatchObject({ outcome: 'delivered' });
    }
    const { port } = receiver;
    await receiver.stop();
    receiver = await startWebhookReceiver({ port });
    expect(await send(webhook, receiver.url)).toMatchObject({ outcome: 'delivered' });
    expect(receiver.requests).toHaveLength(1);
  });

  it('waits for a slow receiver longer than a kept connection may idle', async () => {
    receiver.answerWith({ status: 200, delayMs: 2_500 });
    expect(await send(channel({ sendLimitMs: 8_000 }), receiver.url)).toMatchObject({ outcome: 'delivered' });
  });

  it('follows no redirect', async () => {
    receiver.answerNext({ status: 307, headers: { location: `${receiver.url}/other` } });
    expect(await send(channel(), receiver.url)).toMatchObject({ outcome: 'retryable' });
    expect(receiver.requests.map(({ path }) => path)).toEqual(['/']);
  });

  it('respects what the receiver asks for', async () => {
    receiver.answerNext({ status: 429, headers: { 'retry-after': '17' } });
    expect(await send(channel(), receiver.url)).toMatchObject({ outcome: 'retryable', retryAfterMs: 17_000 });
  });

  it('names a host that does not exist without naming it', async () => {
    const outcome = await send(channel(), 'http://no-such-host.invalid/secret');
    expect(outcome).toMatchObject({ outcome: 'retryable' });
    expect(outcome.reason).not.toContain('no-such-host');
  });
});

describe('an answer without end', () => {
  let endless: Server;
  let cut: number;
  beforeEach(async () => {
    cut = 0;
    endless = createServer((_request, response) => {
      response.on('close', () => {
        cut += 1;
      });
      response.writeHead(200);
      const chunk = Buffer.alloc(16_384);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        response.once('drain', more);
      };
      more();
    });
    await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    endless.closeAllConnections();
    endless.close();
  });

  it('counts by its status and is cut, not read', async () => {
    const { port } = endless.address() as AddressInfo;
    expect(await send(channel(), `http://127.0.0.1:${port}/`)).toMatchObject({ outcome: 'delivered' });
    await eventually(() => expect(cut).toBe(1));
  });
});

describe('a webhook to a private address', () => {
  const refused = /not a public address/;

  it.each(['127.0.0.1', '[::1]', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]', '0.0.0.0', '127.1'])(
    'is refused for good when the URL names %s',
    async (host) => {
      const outcome = await send(channel({ allowPrivateTargets: false }), `http://${host}:${receiver.port}/`);
      expect(outcome).toMatchObject({ outcome: 'permanent', reason: expect.stringMatching(refused) as unknown });
      expect(receiver.requests).toHaveLength(0);
    },
  );

  it('is refused when the name leads there', async () => {
    const webhook = channel({ allowPrivateTargets: false, resolve: resolverOf([loopback]) });
    const outcome = await send(webhook, `http://inside.example:${receiver.port}/`);
    expect(outcome).toMatchObject({ outcome: 'retryable', reason: expect.stringMatching(refused) as unknown });
    expect(receiver.requests).toHaveLength(0);
  });

  it('is refused for localhost, by the resolver of this machine', async () => {
    const outcome = await send(channel({ allowPrivateTargets: false }), `http://localhost:${receiver.port}/`);
    expect(outcome).toMatchObject({ reason: expect.stringMatching(refused) as unknown });
    expect(receiver.requests).toHaveLength(0);
  });

  it('is not reached through a name that changes its answer after it was vetted', async () => {
    const rebinding = resolverOf([elsewhere], [loopback]);
    const webhook = channel({ allowPrivateTargets: false, resolve: rebinding, sendLimitMs: 300 });
    const url = `http://rebinding.example:${receiver.port}/`;
    expect(await send(webhook, url)).toMatchObject({ outcome: 'retryable' });
    expect(rebinding.asked).toBe(1); // the address that was vetted is the one connected to: nobody asks again
    expect(await send(webhook, url)).toMatchObject({ reason: expect.stringMatching(refused) as unknown });
    expect(receiver.requests).toHaveLength(0);
  });

  it('is not reached through a name with a public and a private address', async () => {
    const webhook = channel({
      allowPrivateTargets: false,
      resolve: resolverOf([elsewhere, loopback]),
      sendLimitMs: 600,
    });
    expect(await send(webhook, `http://both.example:${receiver.port}/`)).toMatchObject({ outcome: 'retryable' });
    expect(receiver.requests).toHaveLength(0);
  });

  it('is delivered when the operator allows it', async () => {
    expect(await send(channel({ allowPrivateTargets: true }), receiver.url)).toMatchObject({ outcome: 'delivered' });
  });
});
