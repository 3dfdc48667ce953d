/** The management API, as far as the bench uses it. */
import { Pool } from 'undici';

/** Requests under way at once, unless told otherwise. */
const CONCURRENCY = 24;
const CONNECTIONS = 64;
const PAGE = 100;

/** Runs `work` for each item, a few at a time; answers the results in the order of the items. */
export async function forEachAtOnce(items, work, concurrency = CONCURRENCY) {
  const results = new Array(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, lane));
  return results;
}

export class Api {
  #pool;
  #headers;

  /** @param {{ baseUrl: string, apiKey: string }} target */
  constructor({ baseUrl, apiKey }) {
    this.#pool = new Pool(baseUrl, { connections: CONNECTIONS });
    this.#headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  }

  async #call(method, path, body) {
    const answer = await this.#pool.request({
      method,
      path: `/v1${path}`,
      headers: this.#headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path} answered ${answer.statusCode}: ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  /**
   * @param {{ name: string, interval_secs: number, grace_secs: number }[]} definitions
   * @returns {Promise<{ id: string, token: string, interval_secs: number, grace_secs: number }[]>} in their order
   */
  createHeartbeats(definitions) {
    return forEachAtOnce(definitions, (definition) => this.#call('POST', '/heartbeats', definition));
  }

  createWebhookChannel(name, url) {
    return this.#call('POST', '/channels', { kind: 'webhook', name, settings: { url } });
  }

  deleteChannel(id) {
    return this.#call('DELETE', `/channels/${id}`);
  }

  pause(id) {
    return this.#call('POST', `/heartbeats/${id}/pause`);
  }

  rename(id, name) {
    return this.#call('PATCH', `/heartbeats/${id}`, { name });
  }

  heartbeat(id) {
    return this.#call('GET', `/heartbeats/${id}`);
  }

  /** @returns {Promise<string[]>} the ids of all pings in a heartbeat's history */
  async pingIds(heartbeatId) {
    const ids = [];
    let cursor = null;
    do {
      const page = await this.#call(
        'GET',
        `/heartbeats/${heartbeatId}/pings?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
      );
      ids.push(...page.pings.map((ping) => ping.id));
      cursor = page.next_cursor;
    } while (cursor);
    return ids;
  }

  close() {
    return this.#pool.close();
  }
}

/** The path of a heartbeat's ping URL. */
export const pingPath = ({ token }) => `/v1/heartbeats/${token}/ping`;
