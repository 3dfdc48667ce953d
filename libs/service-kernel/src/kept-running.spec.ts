import { KeptRunning, type Restartable } from './kept-running';
import { silentLogger } from './logging/create-logger';

/** Something whose life the test writes. */
class Patient implements Restartable {
  readonly name = 'ingest-1';
  starts = 0;
  stops = 0;
  failures: Error[] = [];
  private die: (how: string) => void = () => undefined;
  private end = Promise.resolve('');

  async start(): Promise<void> {
    this.starts += 1;
    const failure = this.failures.shift();
    if (failure) throw failure;
    this.end = new Promise((resolve) => (this.die = resolve));
  }
  ended(): Promise<string> {
    return this.end;
  }
  async stop(): Promise<void> {
    this.stops += 1;
    this.die('signal SIGTERM');
  }
  async crash(): Promise<void> {
    this.die('signal SIGKILL');
    await settled();
  }
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

describe('what is kept running', () => {
  let monotonic = 0;
  const clock = { now: () => monotonic, monotonic: () => monotonic };
  let pauses: number[];
  let patient: Patient;
  let kept: KeptRunning;
  beforeEach(async () => {
    pauses = [];
    patient = new Patient();
    kept = new KeptRunning(patient, clock, silentLogger(), async (ms) => void pauses.push(ms));
    await kept.start();
  });

  it('is started again at once when it ends', async () => {
    await patient.crash();
    expect(patient.starts).toBe(2);
    expect(pauses).toEqual([0]);
  });

  it('waits longer and longer when it does not stay', async () => {
    for (let count = 0; count < 9; count += 1) await patient.crash();
    expect(pauses).toEqual([0, 250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it('is forgiven after it stayed for half a minute', async () => {
    for (let count = 0; count < 4; count += 1) await patient.crash();
    monotonic += 31_000;
    await patient.crash();
    expect(pauses.at(-1)).toBe(0);
  });

  it('is tried until it starts', async () => {
    patient.failures = [new Error('port taken'), new Error('port taken')];
    await patient.crash();
    expect(patient.starts).toBe(4);
    expect(pauses).toEqual([0, 250, 500]);
  });

  it('is left alone once it was stopped', async () => {
    await kept.stop();
    await settled();
    expect([patient.starts, patient.stops]).toEqual([1, 1]);
  });

  it('is not kept when it never started', async () => {
    const other = new Patient();
    other.failures = [new Error('no java')];
    await expect(new KeptRunning(other, clock, silentLogger()).start()).rejects.toThrow('no java');
    expect(other.starts).toBe(1);
  });
});
