import { FakeClock } from '@flatline/test-kit';
import { DiskOfPostgres, DiskWatch } from './disk-watch';

describe('the disk', () => {
  it('is told of before it is full, and not any more when there is room again', async () => {
    let free: number | null = 1_000_000_000;
    const watch = new DiskWatch({ folder: '/data', freeAlertMb: 1_000, freeBytes: async () => free });
    await watch.look();
    expect(watch.findings()).toEqual([]);
    free = 999_999_999;
    await watch.look();
    expect(watch.findings()).toEqual([
      { condition: 'disk_full', sentence: 'the disk of FLATLINE_DATA_DIR has 999 MB left, less than 1000' },
    ]);
    free = null; // the folder is gone, or never was here
    await watch.look();
    expect(watch.findings()).toEqual([]);
  });

  it('of Postgres is full for half a minute after it said so', () => {
    const clock = new FakeClock();
    const disk = new DiskOfPostgres(clock);
    disk.note(Object.assign(new Error('away'), { code: '57P01' }));
    expect(disk.findings()).toEqual([]);
    disk.note(Object.assign(new Error('could not extend file'), { code: '53100' }));
    clock.advance(29_000);
    expect(disk.findings()).toEqual([{ condition: 'disk_full', sentence: 'Postgres says that its disk is full' }]);
    clock.advance(1_000);
    expect(disk.findings()).toEqual([]);
  });
});
