import { createServer } from 'node:net';
import type { FlatlineConfig } from '../config/environment';

/** Rejects with the system's error when this process could not listen on HOST:PORT. PORT=0 is always free. */
export async function assertPortIsFree({ HOST, PORT }: Pick<FlatlineConfig, 'HOST' | 'PORT'>): Promise<void> {
  if (PORT === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen({ host: HOST, port: PORT }, () => probe.close(() => resolve()));
  });
}
