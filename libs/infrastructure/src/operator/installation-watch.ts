import type { EventLog } from '@flatline/event-log';
import { readVitalSigns, type VitalSigns } from '@flatline/persistence';
import {
  type Clock,
  type Finding,
  type Logger,
  RecurringWarning,
  type StandingCondition,
} from '@flatline/service-kernel';
import type { DataSource } from 'typeorm';
import { installationFindings, type Reading, readingsOf, type StoodReading } from './installation-findings';

export interface InstallationWatchParts {
  readonly dataSource: DataSource;
  readonly log: EventLog;
  readonly partitions: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** After each look: nothing was found, and everything could be looked at. */
  readonly allIsWell: () => void;
}

const LOOK_EVERY_MS = 10_000;

/** Where a reading stood at the latest look, and since when, monotonic ms. */
interface Place {
  readonly nextOffset: number;
  readonly since: number;
}

/**
 * Looks after the whole installation, by what stands in Postgres and in the event log: also after shards that nobody
 * reads, and services that nobody started. Every deadline scheduler looks, so that one is enough.
 */
export class InstallationWatch {
  private readonly places = new Map<string, Place>();
  private readonly blind: RecurringWarning;
  private latest: readonly Finding<StandingCondition>[] = [];
  private looking: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly parts: InstallationWatchParts) {
    this.blind = new RecurringWarning(parts.logger, parts.clock, 'how the installation is could not be read');
  }

  start(everyMs = LOOK_EVERY_MS): void {
    this.timer = setInterval(() => void this.look(), everyMs);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.looking;
  }

  /** As of the latest look. Empty when that failed: what cannot be asked is told by readiness. */
  findings(): readonly Finding<StandingCondition>[] {
    return this.latest;
  }

  /** Looks now; a call meanwhile joins it. Never rejects. */
  look(): Promise<void> {
    this.looking ??= this.lookOnce().finally(() => (this.looking = null));
    return this.looking;
  }

  private async lookOnce(): Promise<void> {
    const { dataSource, partitions, clock, allIsWell } = this.parts;
    try {
      const vitals = await readVitalSigns(dataSource);
      const stood = await this.stoodReadings(vitals);
      this.latest = installationFindings(vitals, { partitions, stood, now: clock.now() });
    } catch (error) {
      this.latest = [];
      if (!this.stopped) this.blind.note(error);
      return;
    }
    if (this.latest.length === 0 && !this.stopped) allIsWell();
  }

  /** Those with something to read, and for how long they have not moved. */
  private async stoodReadings({ positions }: VitalSigns): Promise<StoodReading[]> {
    const { log, partitions, clock } = this.parts;
    const committed = new Map(positions.map((each) => [keyOf(each), each.nextOffset]));
    const looked = await Promise.all(
      readingsOf(partitions).map(async (reading) => {
        const { start, end } = await log.bounds(reading.topic, reading.partition);
        return { reading, nextOffset: committed.get(keyOf(reading)) ?? start, end };
      }),
    );
    const now = clock.monotonic();
    return looked.flatMap(({ reading, nextOffset, end }) => {
      const key = keyOf(reading);
      if (nextOffset >= end) {
        this.places.delete(key);
        return [];
      }
      const known = this.places.get(key);
      const since = known?.nextOffset === nextOffset ? known.since : now;
      this.places.set(key, { nextOffset, since });
      return [{ ...reading, seconds: (now - since) / 1_000 }];
    });
  }
}

function keyOf({ group, topic, partition }: Reading): string {
  return `${group} ${topic} ${partition}`;
}
