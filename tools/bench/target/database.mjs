/**
 * The Postgres of a cluster, for what takes too long over the API: making very many heartbeats, and counting.
 */
import { createRequire } from 'node:module';
import * as path from 'node:path';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { root } from './product-process.mjs';

const require = createRequire(import.meta.url);
const CHUNK = 20_000;

export class Database {
  #pool;
  #tokenKeys;

  /** @param {import('./cluster.mjs').ClusterTarget} target */
  constructor(target) {
    this.#pool = new pg.Pool({ connectionString: target.databaseUrl, max: 2, options: '-c search_path=flatline' });
    this.#pool.on('error', () => {}); // an idle connection of a Postgres that was killed; the next query says so
    this.#tokenKeys = target.tokenKeys;
  }

  async query(text, values) {
    return (await this.#pool.query(text, values)).rows;
  }

  /**
   * Makes heartbeats that are like one that the API made, all but id and name. Whatever columns there are, they are copied.
   * @param {{ id: string }} template
   * @param {number} count
   * @returns {Promise<{ id: string, token: string }[]>}
   */
  async cloneHeartbeats(template, count) {
    const { mintPingToken } = domain();
    const made = Array.from({ length: count }, () => {
      const id = uuidv7();
      return { ...template, id, token: mintPingToken({ heartbeatId: id, generation: 0 }, this.#tokenKeys) };
    });
    for (const chunk of chunksOf(made)) {
      await this.query(
        `INSERT INTO heartbeat SELECT (jsonb_populate_record(t, jsonb_build_object('id', u.id, 'name', t.name || ' ' || u.id))).*
         FROM heartbeat t, unnest($2::uuid[]) AS u(id) WHERE t.id = $1`,
        [template.id, chunk.map(({ id }) => id)],
      );
    }
    return made;
  }

  /**
   * Gives clones the state of their template, which must be armed, as if each had been pinged with it. Their timers are to
   * wake at different instants before that of the template: early is always allowed.
   * @param {{ id: string }} template
   * @param {{ id: string }[]} clones
   * @param {{ partitions: number, overSeconds: number }} options overSeconds: how far the timers are spread
   */
  async cloneStates(template, clones, { partitions, overSeconds }) {
    const { shardOf } = domain();
    for (const chunk of chunksOf(clones)) {
      await this.query(
        `INSERT INTO heartbeat_runtime SELECT (jsonb_populate_record(t, jsonb_build_object('heartbeat_id', u.id, 'shard', u.shard,
           'wake_at', t.wake_at - random() * $4 * interval '1 second'))).*
         FROM heartbeat_runtime t, unnest($2::uuid[], $3::int[]) AS u(id, shard) WHERE t.heartbeat_id = $1`,
        [template.id, chunk.map(({ id }) => id), chunk.map(({ id }) => shardOf(id, partitions)), overSeconds],
      );
    }
  }

  /** @returns {Promise<number>} of heartbeats whose timers are to wake after this time */
  async armedRows(afterSeconds = 0) {
    const [{ n }] = await this.query(
      `SELECT count(*)::int AS n FROM heartbeat_runtime WHERE wake_at > now() + $1 * interval '1 second'`,
      [afterSeconds],
    );
    return n;
  }

  /** @returns {Promise<Record<'heartbeat' | 'heartbeat_runtime' | 'ping', number>>} bytes with indexes, of all partitions */
  async bytesOf(...tables) {
    const sizes = await Promise.all(
      tables.map((table) =>
        this.query(
          `SELECT sum(pg_total_relation_size(relid))::float8 AS bytes
           FROM (SELECT relid FROM pg_partition_tree($1) UNION SELECT $1::regclass) AS part`,
          [table],
        ),
      ),
    );
    return Object.fromEntries(tables.map((table, index) => [table, sizes[index][0].bytes]));
  }

  /**
   * How long after their deadline heartbeats were judged down, and when their event had been read by a notifier (only
   * where there was a channel to tell), ms.
   * @param {{ id: string }[]} heartbeats
   */
  async incidentsOf(heartbeats) {
    const rows = await this.query(
      `SELECT extract(epoch FROM i.started_at)::float8 * 1000 AS due,
              extract(epoch FROM i.recorded_at - i.started_at)::float8 * 1000 AS judged,
              extract(epoch FROM min(n.created_at) - i.started_at)::float8 * 1000 AS read
       FROM incident i LEFT JOIN notification n ON n.incident_id = i.id AND n.transition = 'down'
       WHERE i.heartbeat_id = ANY($1::uuid[]) GROUP BY i.id`,
      [heartbeats.map(({ id }) => id)],
    );
    return {
      due: rows.map(({ due }) => due),
      judged: rows.map(({ judged }) => judged),
      read: rows.map(({ read }) => read),
    };
  }

  close() {
    return this.#pool.end();
  }
}

/** The product's own functions, as they were built. */
const domain = () => require(path.join(root, 'dist', 'libs', 'domain', 'src', 'index.js'));

function chunksOf(items) {
  const chunks = [];
  for (let from = 0; from < items.length; from += CHUNK) chunks.push(items.slice(from, from + CHUNK));
  return chunks;
}
