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
  /** The command that is refused; unset: the mail, after its data. */
  at?: 'MAIL' | 'RCPT';
}

export interface TestSmtp {
  /** `smtp://127.0.0.1:<port>`, without TLS or authentication. */
  url: string;
  port: number;
  /** Accepted mails, oldest first. */
  mails: ReceivedMail[];
  /** How many mails were offered, refused ones included. */
  readonly offered: number;
  /** Refuses the next mails, one refusal each, in this order. */
  refuseNext(...refusals: SmtpRefusal[]): void;
  /** Closes the port and every connection. */
  stop(): Promise<void>;
}

export interface TestSmtpOptions {
  /** To come back where one was stopped. */
  port?: number;
  /** Announces STARTTLS, with a certificate that nobody trusts. */
  offersTls?: boolean;
}

/** Starts a real SMTP server on loopback that keeps what it is sent. */
export async function startTestSmtp(options: TestSmtpOptions = {}): Promise<TestSmtp> {
  const mails: ReceivedMail[] = [];
  const refusals: SmtpRefusal[] = [];
  let offered = 0;
  /** The next refusal, if it is for this command. */
  const refusalAt = (at: SmtpRefusal['at']): Error | null => {
    const [next] = refusals;
    if (!next || next.at !== at) return null;
    refusals.shift();
    return Object.assign(new Error(next.message), { responseCode: next.code });
  };

  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.offersTls ? ['AUTH'] : ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 200,
    onMailFrom: (_address, _session, callback) => callback(refusalAt('MAIL')),
    onRcptTo: (_address, _session, callback) => callback(refusalAt('RCPT')),
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        offered += 1;
        const refusal = refusalAt(undefined);
        if (refusal) {
          callback(refusal);
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
