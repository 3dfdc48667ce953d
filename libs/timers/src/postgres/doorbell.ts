import type { PostgresConnection } from 'bullmq';

type ListenClient = Awaited<ReturnType<PostgresConnection['getListenClient']>>;

/** BullMQ's SQL functions notify this channel, with the queue's name, whenever a job is added or moved. */
const CHANNEL = 'bullmq_jobs';

/** Hears that something was armed, for every queue of the process over one LISTEN connection. */
export class Doorbell {
  private readonly listeners = new Map<string, Set<() => void>>();
  private heardOn: ListenClient | undefined;
  /** The workers of all queues ask at the same time, and the connection takes one statement after the other. */
  private beginning: Promise<void> | undefined;

  constructor(private readonly connection: PostgresConnection) {
    connection.on('listenerinvalidated', () => {
      this.heardOn = undefined;
      for (const listeners of this.listeners.values()) for (const ring of listeners) ring();
    });
  }

  /** Listens from now on; to be called before each wait, since the connection may have been lost. */
  ensureListening(): Promise<void> {
    return (this.beginning ??= this.listen().finally(() => (this.beginning = undefined)));
  }

  /** @returns a function that stops it */
  onRing(queueName: string, ring: () => void): () => void {
    const listeners = this.listeners.get(queueName) ?? new Set();
    this.listeners.set(queueName, listeners.add(ring));
    return () => listeners.delete(ring);
  }

  private async listen(): Promise<void> {
    const client = await this.connection.getListenClient();
    if (this.heardOn === client) return;
    client.removeAllListeners('notification');
    client.on('notification', (message) => this.ring(message));
    await client.query(`LISTEN ${CHANNEL}`);
    this.heardOn = client;
  }

  private ring({ channel, payload }: { channel: string; payload?: string }): void {
    if (channel !== CHANNEL) return;
    for (const ring of this.listeners.get(payload ?? '') ?? []) ring();
  }
}
