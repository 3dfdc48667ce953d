import { createTransport } from 'nodemailer';
import type { ChannelKind, SendTarget } from '../channel-kind';
import { delivered, permanent, retryable } from '../send-outcome';
import type { SendOutcome } from '../send-outcome';
import { emailSettings } from './email-settings';
import type { EmailSettings } from './email-settings';
import { renderEmail } from './render-email';
import type { EmailMessage } from './render-email';

export interface EmailOptions {
  /** `smtp://` or `smtps://` with user and password where needed; null when this installation cannot send mail. */
  readonly smtpUrl: string | null;
  /** Who mails come from: an address, or a name and an address in angle brackets. */
  readonly from: string;
  /** Where readers of the mail reach this installation. */
  readonly publicBaseUrl: string;
  /** Longest attempt, queueing for a connection included, in ms; default 15 000. */
  readonly sendLimitMs?: number;
}

const SEND_LIMIT_MS = 15_000;
const CONNECT_LIMIT_MS = 10_000;
const MAX_CONNECTIONS = 6;
const MAILS_PER_CONNECTION = 100;
/** Unused connections are closed by us after this, in ms, rather than by the server in the middle of a mail. */
const IDLE_CONNECTION_MS = 15_000;
/**
 * Commands whose refusal is about us and passes when that is repaired: those of an SMTP session before the mail itself,
 * and `MAIL`, which names our sender (one that this login may not use, a login or TLS that is asked for first).
 */
const commandsAboutUs = new Set(['CONN', 'EHLO', 'HELO', 'LHLO', 'STARTTLS', 'AUTH', 'API', 'MAIL']);
/** "Service not available, closing": about the server, whichever command it answers. */
const CLOSING = 421;
/** What OpenSSL and Node call a certificate that does not pass, e.g. `DEPTH_ZERO_SELF_SIGNED_CERT`. */
const CERTIFICATE_CODES = /CERT|ISSUER|HOSTNAME_MISMATCH/;
/** "Authentication required": never about the recipient, whichever command it answers. */
const LOGIN_REQUIRED = 530;

/** E-mail over SMTP, text and HTML, with one Message-ID per notification however often it is sent. */
export function createEmailChannel(options: EmailOptions): ChannelKind<EmailSettings, EmailMessage> {
  const { smtpUrl, publicBaseUrl } = options;
  const host = new URL(publicBaseUrl).hostname;
  const sendLimitMs = options.sendLimitMs ?? SEND_LIMIT_MS;
  const transport = smtpUrl === null ? null : connect(smtpUrl);

  return {
    name: 'email',
    settings: emailSettings,
    missing: transport ? null : 'SMTP_URL is not set, so no mail can be sent.',
    sendLimitMs,
    concurrency: { limit: MAX_CONNECTIONS, isShared: true },
    render: (facts) => renderEmail(facts, publicBaseUrl),
    send: async (message, target) => {
      if (!transport) return retryable('no mail server is configured (SMTP_URL)');
      const limit = limitAttempt(sendLimitMs, target.signal);
      try {
        await transport.sendMail({ ...compose(message, target, host), from: options.from, signal: limit.signal });
        return delivered('the mail server took it');
      } catch (error) {
        return judgeRefusal(error as SmtpError, limit.isOver());
      } finally {
        limit.clear();
      }
    },
    close: () => {
      transport?.close();
      return Promise.resolve();
    },
  };
}

function connect(smtpUrl: string) {
  return createTransport({
    url: smtpUrl,
    pool: true,
    maxConnections: MAX_CONNECTIONS,
    maxMessages: MAILS_PER_CONNECTION,
    maxRequeues: 0, // whether to try again is decided by the delivery log alone
    idleTimeout: IDLE_CONNECTION_MS,
    dnsTimeout: CONNECT_LIMIT_MS,
    connectionTimeout: CONNECT_LIMIT_MS,
    greetingTimeout: CONNECT_LIMIT_MS,
    socketTimeout: SEND_LIMIT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

/**
 * A signal that aborts when the time is up or the outer one aborts. By hand, because `AbortSignal.any` keeps what it
 * made for as long as the outer signal lives, which is that of the process.
 */
function limitAttempt(limitMs: number, outer: AbortSignal | undefined) {
  const controller = new AbortController();
  let over = false;
  const timer = setTimeout(() => {
    over = true;
    controller.abort();
  }, limitMs);
  const interrupt = (): void => controller.abort();
  outer?.addEventListener('abort', interrupt, { once: true });
  if (outer?.aborted) interrupt();
  return {
    signal: controller.signal,
    isOver: () => over,
    clear: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', interrupt);
    },
  };
}

function compose(message: EmailMessage, { settings, idempotencyKey }: SendTarget<EmailSettings>, host: string) {
  return {
    to: { name: '', address: settings.address },
    subject: message.subject,
    text: message.text,
    ...(message.html === null ? {} : { html: message.html }),
    messageId: `<${idempotencyKey}@${host}>`,
    references: `<${message.threadId}@${host}>`,
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
  };
}

interface SmtpError extends Error {
  readonly code?: string;
  /** Of the system or of TLS, where `code` is nodemailer's own. */
  readonly originalCode?: string;
  readonly command?: string;
  readonly responseCode?: number;
}

/**
 * What a failed attempt means: a refusal of the mail or its recipient with 5xx is final, everything else is tried
 * again. Refusals before the recipient is named (greeting, TLS, login, sender) are about this installation, so they are
 * tried again even with 5xx: a password that was changed must not cost an alert.
 */
function judgeRefusal(error: SmtpError, timedOut: boolean): SendOutcome {
  const { code, originalCode = code, command, responseCode } = error;
  if (timedOut) return retryable('the mail server did not take it in time');
  if (code === 'EABORT') return retryable('interrupted');
  if (code === 'EAUTH' || code === 'ENOAUTH' || code === 'EOAUTH2') {
    return retryable('the mail server refused our login');
  }
  if (responseCode !== undefined) {
    const reason = `the mail server answered ${responseCode}`;
    const isAboutUs = responseCode === LOGIN_REQUIRED || commandsAboutUs.has(command?.split(' ', 1)[0] ?? '');
    if (responseCode >= 500 && !isAboutUs) return permanent(reason);
    const isAboutRecipient = command === 'RCPT TO' && !isAboutUs && responseCode !== CLOSING;
    return { outcome: 'retryable', reason, isAboutRecipient };
  }
  if (originalCode !== undefined && CERTIFICATE_CODES.test(originalCode)) {
    return retryable(`the certificate of the mail server is not trusted (${originalCode})`);
  }
  return retryable(`the mail server cannot be reached (${originalCode ?? 'no code'})`);
}
