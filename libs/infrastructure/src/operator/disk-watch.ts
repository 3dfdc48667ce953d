import { statfs } from 'node:fs/promises';
import { sqlStateOf } from '@flatline/persistence';
import type { Clock, Finding } from '@flatline/service-kernel';

export interface DiskWatchOptions {
  /** A folder on the disk to look at; while it is not there nothing is looked at. */
  readonly folder: string;
  /** Less than this is a finding. */
  readonly freeAlertMb: number;
  /** Free bytes for whoever runs this process, or null where the folder is not; tests put their own here. */
  readonly freeBytes?: (folder: string) => Promise<number | null>;
}

const LOOK_EVERY_MS = 10_000;
const MEGABYTE = 1_000_000;
/** Whether there is room on the disk of the data directory. Needs no server, so that it speaks when the servers cannot. */
export class DiskWatch {
  private found: Finding<'disk_full'> | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: DiskWatchOptions) {}

  start(): void {
    void this.look();
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  findings(): Finding<'disk_full'>[] {
    return this.found ? [this.found] : [];
  }

  /** Looks now. Never rejects. */
  async look(): Promise<void> {
    const { folder, freeAlertMb, freeBytes = freeBytesOf } = this.options;
    const free = await freeBytes(folder);
    if (free === null || free >= freeAlertMb * MEGABYTE) this.found = null;
    else {
      const sentence = `the disk of FLATLINE_DATA_DIR has ${Math.floor(free / MEGABYTE)} MB left, less than ${freeAlertMb}`;
      this.found = { condition: 'disk_full', sentence };
    }
  }
}

/** SQLSTATE disk_full. */
const DISK_FULL = '53100';
/** What Postgres said of its disk holds this long. */
const SAID_MS = 30_000;

/** Whether there is room by what Postgres says when it refuses a statement: its disk may be on another machine. */
export class DiskOfPostgres {
  private fullAt = -Infinity;

  constructor(private readonly clock: Clock) {}

  /** A statement failed. */
  note(error: unknown): void {
    if (sqlStateOf(error) === DISK_FULL) this.fullAt = this.clock.monotonic();
  }

  findings(): Finding<'disk_full'>[] {
    if (this.clock.monotonic() - this.fullAt >= SAID_MS) return [];
    return [{ condition: 'disk_full', sentence: 'Postgres says that its disk is full' }];
  }
}

async function freeBytesOf(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return null; // it is not there, or not for us
  }
}
