import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';

/** A ping URL to every front, so it goes where pings go; no token is this short. */
export const CANARY_PATH = '/v1/heartbeats/canary/ping';
export const INSTALLATION_HEADER = 'flatline-installation';

/** Injection token of the {@link IngestIdentity}. */
export const INGEST_IDENTITY = Symbol('INGEST_IDENTITY');

/** Who answers. */
export interface IngestIdentity {
  readonly ingestId: string;
  /** The same for all ingests that write to one event log, and says nothing else. */
  readonly installation: string;
}

export function installationOf(logIdentity: string): string {
  return createHash('sha256').update(logIdentity).digest('hex').slice(0, 16);
}

/** Answers whoever asks whether an ingest of this installation can be reached, and which one that is. No key, no log. */
export function registerCanary(server: FastifyInstance, { ingestId, installation }: IngestIdentity): void {
  server.get(CANARY_PATH, async (_request, reply) => {
    void reply.header('cache-control', 'no-store').header(INSTALLATION_HEADER, installation);
    return { status: 'ok', ingest: ingestId };
  });
}
