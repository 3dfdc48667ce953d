import { eventually, startTestPostgres } from '@flatline/test-kit';
import type { TestPostgres } from '@flatline/test-kit';
import { AppendRejected, AppendUnresolved } from '../errors';
import type { EventLog } from '../event-log';
import { openPostgresEventLog } from './postgres-event-log';

jest.setTimeout(90_000);

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const TOPIC = 'test.frozen';

describe('a Postgres that freezes as a whole', () => {
  let server: TestPostgres;
  let log: EventLog;

  beforeAll(async () => {
    server = await startTestPostgres();
    log = await openPostgresEventLog({ url: server.url, logger: quiet });
    await log.ensureTopics([{ name: TOPIC, partitions: 2, retentionMs: 3_600_000 }]);
  });
  afterAll(async () => {
    await log?.close();
    await server?.stop();
  });

  it('lets every append end within its time limit, loses nothing acknowledged and brings back nothing refused', async () => {
    const producer = await log.producer({ exclusiveId: 'ingest' });
    const fates = new Map<string, 'acknowledged' | 'unresolved' | 'rejected'>();
    let slowestMs = 0;
    const append = async (text: string): Promise<void> => {
      const startedAt = performance.now();
      try {
        await producer.append(TOPIC, [{ partition: 0, key: text, value: Buffer.from(text) }]);
        fates.set(text, 'acknowledged');
      } catch (error) {
        expect([AppendRejected, AppendUnresolved]).toContain((error as Error).constructor);
        fates.set(text, error instanceof AppendUnresolved ? 'unresolved' : 'rejected');
      }
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    };

    for (let number = 0; number < 20; number++) await append(`before-${number}`);
    const freezing = new Promise<void>((resolve) => {
      setTimeout(() => resolve(server.freeze()), 20);
    });
    for (let number = 0; !freezingIsOver(fates); number++) await append(`during-${number}`);
    await freezing;
    await append('frozen'); // on a connection nobody answers
    await eventually(() =>
      expect(log.troubles()).toMatchObject([{ kind: 'away', sentence: expect.stringMatching('does not answer') }]),
    );
    server.thaw();
    await eventually(async () => {
      await append('again');
      expect(fates.get('again')).toBe('acknowledged');
    });
    for (let number = 0; number < 20; number++) await append(`after-${number}`);

    expect(slowestMs).toBeLessThan(4_800);
    expect([...fates.values()]).toEqual(expect.arrayContaining(['acknowledged', 'unresolved', 'rejected']));
    const { end } = await log.bounds(TOPIC, 0);
    const stored: string[] = [];
    await log.consume({
      topic: TOPIC,
      group: 'readers',
      maxRecords: 1_000,
      handler: {
        position: async () => 0,
        handle: async (_partition, records) => void stored.push(...records.map(({ key }) => key)),
      },
    });
    await eventually(() => expect(stored).toHaveLength(end));
    await eventually(() => expect(log.troubles()).toEqual([]));
    for (const [text, fate] of fates) {
      if (fate === 'acknowledged') expect(stored).toContain(text);
      if (fate === 'rejected') expect(stored).not.toContain(text);
    }
    await expect(log.bounds(TOPIC, 0)).resolves.toEqual({ start: 0, end });
  });
});

const freezingIsOver = (fates: ReadonlyMap<string, string>): boolean => [...fates.values()].includes('unresolved');
