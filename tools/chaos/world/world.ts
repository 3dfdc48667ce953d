import { mkdirSync } from 'node:fs';
import * as path from 'node:path';
import { loadConfig } from '@flatline/service-kernel';
import { ADMIN_KEY, ApiSession } from '@flatline/test-kit';
import type { WorldName } from '../faults/plan-faults';
import type { JournalWriter } from '../journal/journal-file';
import { randomOf } from '../random';
import { startClusterInstallation } from './cluster-installation';
import { startEmbeddedInstallation } from './embedded-installation';
import type { Installation } from './installation';
import { NetworkProxy } from './proxy';
import { type NotingReceiver, startReceiver } from './receivers';

/** All that a run is done to. */
export interface World extends Installation {
  readonly api: ApiSession;
  readonly receivers: readonly NotingReceiver[];
  readonly leaseMs: number;
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly name: WorldName;
  readonly seed: number;
  /** Gets data and logs. */
  readonly folder: string;
  readonly journal: JournalWriter;
}

const STARTS = { cluster: startClusterInstallation, embedded: startEmbeddedInstallation };

/** Starts an installation, and receivers that its channels tell. Linux only. */
export async function startWorld({ name, seed, folder, journal }: WorldOptions): Promise<World> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each().catch((error: unknown) => console.error(error));
  };
  const atTheEnd = (step: () => Promise<unknown>): void => void stops.push(step);
  try {
    const clockDir = path.join(folder, 'clocks');
    mkdirSync(clockDir, { recursive: true });
    const installation = await STARTS[name]({ folder, clockDir, journal, atTheEnd });

    const receivers = await Promise.all([
      startReceiver('steady', journal, null),
      startReceiver('flaky', journal, randomOf(seed, 'flaky receiver')),
    ]);
    for (const receiver of receivers) atTheEnd(() => receiver.stop());
    const steady = await NetworkProxy.start(() => Number(new URL(receivers[0].url).port));
    atTheEnd(() => steady.stop());
    const api = new ApiSession(installation.baseUrl, ADMIN_KEY);
    for (const { name: channel, url } of receivers) {
      const through = new URL(url);
      if (channel === 'steady') through.port = String(steady.port);
      await api.call('POST', '/channels', { kind: 'webhook', name: channel, settings: { url: through.href } });
    }
    return {
      ...installation,
      networks: new Map([...installation.networks, ['receiver', steady]]),
      ...{ api, receivers, stop },
      leaseMs: loadConfig({}).INGEST_LEASE_SECONDS * 1000,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
