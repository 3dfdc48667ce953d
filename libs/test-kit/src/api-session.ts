import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';

/** An HTTP answer, read to its end. */
export interface ApiAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  /** Exactly what was sent. */
  text: string;
  /** The text as JSON; undefined when it is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into answers of every shape
  json: any;
}

export interface ApiRequest {
  method: string;
  /** As it goes on the wire; nothing is escaped or shortened. */
  path: string;
  /** Nothing is added but Host and what frames the body. */
  headers?: Record<string, string>;
  /** A stream is sent in chunks. */
  body?: string | Buffer | Readable;
}

/** Sends one request on a connection of its own, without a header or a change that was not asked for. */
export function sendRequest(baseUrl: string, { method, path, headers = {}, body }: ApiRequest): Promise<ApiAnswer> {
  const { hostname, port } = new URL(baseUrl);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, headers, agent: false, timeout: 30_000 });
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: jsonOf(text) });
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer to ${method} ${path} within 30 s`)));
    request.on('error', reject);
    if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) request.end(body);
    else body.on('error', reject).pipe(request);
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A heartbeat of the public contract. */
export interface ApiHeartbeat {
  id: string;
  name: string;
  token: string;
  ping_url: string;
  interval_secs: number;
  grace_secs: number;
  alert_after_misses: number;
  status: 'active' | 'paused' | 'failing';
  consecutive_misses: number;
  last_pinged_at: string | null;
  next_expected_at: string | null;
  created_at: string;
  updated_at: string;
}

/** A user of the API with a key. */
export class ApiSession {
  constructor(
    readonly baseUrl: string,
    readonly key: string,
  ) {}

  /** A call with the key; `body`, if any, is sent as JSON. `path` begins after `/v1`. */
  call(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.key}` };
    if (body === undefined) return sendRequest(this.baseUrl, { method, path: `/v1${path}`, headers });
    headers['content-type'] = 'application/json';
    return sendRequest(this.baseUrl, { method, path: `/v1${path}`, headers, body: JSON.stringify(body) });
  }

  /** Creates a heartbeat; throws unless the answer is 201. */
  async create(fields: object = {}): Promise<ApiHeartbeat> {
    return expected(201, await this.call('POST', '/heartbeats', { name: 'nightly backup', ...fields }));
  }

  async read(id: string): Promise<ApiHeartbeat> {
    return expected(200, await this.call('GET', `/heartbeats/${id}`));
  }

  /** The whole history of pings, newest first, page by page. */
  pings(id: string): Promise<{ id: string; heartbeat_id: string; pinged_at: string }[]> {
    return this.allPages(`/heartbeats/${id}/pings`, ({ pings }) => pings);
  }

  /** All of them, newest first. */
  incidents(id: string): Promise<
    {
      id: string;
      started_at: string;
      ended_at: string | null;
      reason: string;
      misses: number;
      raised_in_error: boolean;
    }[]
  > {
    return this.allPages(`/heartbeats/${id}/incidents`, ({ incidents }) => incidents);
  }

  private async allPages<Item>(path: string, itemsOf: (page: ApiAnswer['json']) => Item[]): Promise<Item[]> {
    const found: Item[] = [];
    for (let cursor = ''; ;) {
      const page = expected(200, await this.call('GET', `${path}?limit=100${cursor}`));
      found.push(...itemsOf(page));
      if (page.next_cursor === null) return found;
      cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
  }

  /** A ping as curl sends it. */
  ping(token: string, method = 'POST'): Promise<ApiAnswer> {
    return sendRequest(this.baseUrl, { method, path: `/v1/heartbeats/${token}/ping` });
  }

  /** A second tenant; only the administrator of the instance may. */
  async createProject(name: string): Promise<ApiSession> {
    const project = expected(201, await this.call('POST', '/projects', { name }));
    return new ApiSession(this.baseUrl, project.api_key as string);
  }
}

function expected(status: number, answer: ApiAnswer): ApiAnswer['json'] {
  if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${answer.text}`);
  return answer.json;
}
