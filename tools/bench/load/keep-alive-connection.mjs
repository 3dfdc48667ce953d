/**
 * One HTTP/1.1 connection that carries one request after another, for generating load: the requests are bytes made
 * beforehand and of the answer only status and body are read, so a request costs a fraction of what node:http's client
 * takes. Not a general client: answers need a content-length.
 */
import { connect } from 'node:net';

const HEAD_END = '\r\n\r\n';

export class KeepAliveConnection {
  #host;
  #port;
  #timeoutMs;
  #socket = null;
  #received = '';
  #pending = null;
  #deadline = null;

  /** @param {{ host: string, port: number, timeoutMs: number }} options timeoutMs: a request ends within this time */
  constructor({ host, port, timeoutMs }) {
    this.#host = host;
    this.#port = port;
    this.#timeoutMs = timeoutMs;
  }

  /** Connects ahead of the first request. */
  open() {
    return new Promise((resolve, reject) => {
      this.#connect().once('connect', resolve).once('error', reject);
    });
  }

  /**
   * @param {Buffer} request
   * @param {(status: number, body: string) => void} done called once; status 0: no answer (body says why), so whether
   *   the request was carried out is not known
   */
  send(request, done) {
    if (this.#pending) throw new Error('one request at a time');
    this.#pending = done;
    const socket = this.#socket ?? this.#connect();
    this.#deadline = setTimeout(() => this.#fail('timed out'), this.#timeoutMs);
    socket.write(request);
  }

  close() {
    this.#socket?.destroy();
  }

  #connect() {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    this.#socket = socket;
    this.#received = '';
    socket.setEncoding('latin1');
    socket.on('data', (text) => this.#read(text));
    socket.on('error', (error) => socket === this.#socket && this.#fail(error.code ?? error.message));
    socket.on('close', () => socket === this.#socket && this.#fail('closed'));
    return socket;
  }

  #read(text) {
    this.#received += text;
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#received.slice(0, headEnd);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    const bodyStart = headEnd + HEAD_END.length;
    if (this.#received.length < bodyStart + length) return;
    const body = this.#received.slice(bodyStart, bodyStart + length);
    this.#received = this.#received.slice(bodyStart + length);
    if (/\r\nconnection: *close/i.test(head)) this.#drop();
    this.#finish(Number(head.slice(9, 12)), body);
  }

  #fail(reason) {
    this.#drop();
    this.#finish(0, reason);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
  }

  #finish(status, body) {
    clearTimeout(this.#deadline);
    const done = this.#pending;
    this.#pending = null;
    done?.(status, body);
  }
}
