import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  /** Envelope, as the server was told it. */
  envelopeFrom: string;
  envelopeTo: string[];
  from: string;
  to: string;
  subject: string;
  /** Plain text part, '' without one. */
  text: string;
  /** HTML part, '' without one. */
  html: string;
  /** Message-ID header with its angle brackets. */
  messageId: string;
  /** Every header, names in lower case. */
  headers: ReadonlyMap<string, unknown>;
  raw: string;
}

/** An SMTP answer that refuses: 4xx to be tried again, 5xx for good. */
export interface SmtpRefusal {
  code: number;
  message: string;
}

export interface TestSmtp {
  /** `smtp://127.0.0.1:<port>`, without TLS or authentication. */
  url: string;
  port: number;
  /** Accepted mails, oldest first. */
  mails: ReceivedMail[];
  /** How many mails were offered, refused ones included. */
  readonly offered: number;
  /** Refuses the next mails after their data, one refusal each, in this order. */
  refuseNext(...refusals: SmtpRefusal[]): void;
  /** Closes the port and every connection. */
  stop(): Promise<void>;
}

/** Starts a real SMTP server on loopback that keeps what it is sent. Pass a port to come back where one was stopped. */
export async function startTestSmtp(options: { port?: number } = {}): Promise<TestSmtp> {
  const mails: ReceivedMail[] = [];
  const refusals: SmtpRefusal[] = [];
  let offered = 0;

  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 200,
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        offered += 1;
        const refusal = refusals.shift();
        if (refusal) {
          callback(Object.assign(new Error(refusal.message), { responseCode: refusal.code }));
          return;
        }
        const { mailFrom, rcptTo } = session.envelope;
        const envelope = { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) };
        parse(Buffer.concat(chunks), envelope).then(
          (mail) => {
            mails.push(mail);
            callback();
          },
          (error: Error) => callback(error),
        );
      });
    },
  });
  server.on('error', () => undefined); // a client that hangs up is the tested code's business
  const listening = server.listen(options.port ?? 0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;

  return {
    url: `smtp://127.0.0.1:${port}`,
    port,
    mails,
    get offered() {
      return offered;
    },
    refuseNext: (...more) => void refusals.push(...more),
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function parse(raw: Buffer, envelope: { from: string; to: string[] }): Promise<ReceivedMail> {
  const mail = await simpleParser(raw);
  const to = Array.isArray(mail.to) ? mail.to.map(({ text }) => text).join(', ') : (mail.to?.text ?? '');
  return {
    envelopeFrom: envelope.from,
    envelopeTo: envelope.to,
    from: mail.from?.text ?? '',
    to,
    subject: mail.subject ?? '',
    text: mail.text ?? '',
    html: mail.html || '',
    messageId: mail.messageId ?? '',
    headers: mail.headers,
    raw: raw.toString('utf8'),
  };
}
