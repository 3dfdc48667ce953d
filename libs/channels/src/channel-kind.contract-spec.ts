import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { startTestSmtp, startWebhookReceiver } from '@flatline/test-kit';
import { channelFailures, describeChannelKind } from './channel-kind.contract-suite';
import type { ChannelFailure, ChannelHarness } from './channel-kind.contract-suite';
import { createEmailChannel } from './email/email-channel';
import { createTerminalChannel } from './terminal/terminal-channel';
import { createWebhookChannel } from './webhook/webhook-channel';
import { newWebhookSecret } from './webhook/webhook-signature';

const SEND_LIMIT_MS = 1_000;

type Misbehaviour = () => void | Promise<void>;

function failing(ways: Partial<Record<ChannelFailure, Misbehaviour>>): ChannelHarness['misbehave'] {
  return (failure) => {
    const way = ways[failure];
    if (!way) throw new Error(`this harness cannot make the other side fail like this: ${failure}`);
    return way();
  };
}

async function startWebhookHarness(): Promise<ChannelHarness> {
  const receiver = await startWebhookReceiver();
  return {
    kind: createWebhookChannel({ allowPrivateTargets: true, now: Date.now, sendLimitMs: SEND_LIMIT_MS }),
    settings: { url: `http://alice:hunter2@127.0.0.1:${receiver.port}/hook?token=sesame` },
    secret: newWebhookSecret(),
    received: () => receiver.requests.map(({ headers, body }) => ({ key: String(headers['webhook-id']), text: body })),
    confidential: ['alice', 'hunter2', '127.0.0.1', String(receiver.port), 'sesame', 'hook'],
    misbehave: failing({
      'refuses for now': () => receiver.answerWith({ status: 503, body: 'hunter2' }),
      'refuses for good': () => receiver.answerWith({ status: 410, body: 'hunter2' }),
      'does not answer': () => receiver.answerWith({ failure: 'hang' }),
      'cuts the connection': () => receiver.answerWith({ failure: 'cut' }),
      'is not there': () => receiver.stop(),
    }),
    stop: () => receiver.stop(),
  };
}

/** A TCP server that does nothing but this with its connections. */
async function startServer(onConnection: (socket: Socket) => unknown): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined); // whoever connected may hang up
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

async function startEmailHarness(): Promise<ChannelHarness> {
  const smtp = await startTestSmtp();
  const silent = await startServer(() => undefined);
  const cutting = await startServer((socket) => socket.destroy());
  const channelTo = (port: number) =>
    createEmailChannel({
      smtpUrl: `smtp://127.0.0.1:${port}`,
      from: 'flatline@example.com',
      publicBaseUrl: 'https://flatline.example.com',
      sendLimitMs: SEND_LIMIT_MS,
    });
  let kind = channelTo(smtp.port);
  return {
    get kind() {
      return kind;
    },
    settings: { address: 'oncall@example.org' },
    secret: null,
    received: () => smtp.mails.map(({ messageId, text }) => ({ key: messageId, text })),
    confidential: ['oncall', 'example.org', '127.0.0.1', String(smtp.port), 'hunter2'],
    misbehave: failing({
      'refuses for now': () => smtp.refuseNext({ code: 451, message: 'oncall@example.org hunter2, come back later' }),
      'refuses for good': () => smtp.refuseNext({ code: 550, message: 'no oncall@example.org hunter2 here' }),
      'does not answer': () => {
        kind = channelTo(silent.port);
      },
      'cuts the connection': () => {
        kind = channelTo(cutting.port);
      },
      'is not there': () => smtp.stop(),
    }),
    stop: async () => {
      cutting.server.close();
      silent.server.close();
      await smtp.stop();
    },
  };
}

function startTerminalHarness(): Promise<ChannelHarness> {
  const lines: string[] = [];
  let broken = false;
  return Promise.resolve({
    kind: createTerminalChannel({
      write: (text, done) => {
        if (!broken) lines.push(text);
        done(broken ? new Error('write EPIPE /dev/pts/7') : null);
      },
    }),
    settings: {},
    secret: null,
    received: () => lines.map((text) => ({ key: null, text })),
    confidential: ['/dev/pts/7'],
    misbehave: failing({
      'refuses for now': () => {
        broken = true;
      },
    }),
    stop: () => Promise.resolve(),
  });
}

describeChannelKind('webhook', startWebhookHarness, {
  invalidSettings: [{}, { url: 7 }, { url: 'ftp://example.com' }, { url: 'example.com' }],
  possibleFailures: channelFailures,
});
describeChannelKind('email', startEmailHarness, {
  invalidSettings: [
    {},
    { address: 7 },
    { address: 'nobody' },
    { address: 'a@example.com, b@example.com' },
    { address: 'a@example.com\r\nBcc: b@example.com' },
    { address: `${'x'.repeat(250)}@example.com` },
  ],
  possibleFailures: channelFailures,
});
describeChannelKind('terminal', startTerminalHarness, {
  invalidSettings: [],
  possibleFailures: ['refuses for now'],
});
