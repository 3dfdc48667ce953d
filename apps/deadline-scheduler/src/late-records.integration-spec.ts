import { eventParser, incidentOpened, incidentResolved, INCIDENTS_TOPIC } from '@flatline/events';
import { eventually } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { Stage } from './test-stage';

const parse = eventParser(incidentOpened, incidentResolved);

describe('a ping that turns up behind the watermark', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
    await stage.startScheduler();
  });
  afterAll(async () => {
    await stage.close();
  });

  async function told(heartbeatId: string) {
    const events: ReturnType<typeof parse>[] = [];
    const subscription = await stage.infrastructure.log.consume({
      topic: INCIDENTS_TOPIC,
      group: `test-${uuidv7()}`,
      maxRecords: 100,
      handler: {
        position: () => Promise.resolve(0),
        handle: (_partition, records) => {
          events.push(...records.map(({ value }) => parse(value)).filter(({ key }) => key === heartbeatId));
          return Promise.resolve();
        },
      },
    });
    await eventually(() => expect(events.length).toBeGreaterThanOrEqual(2), { withinMs: 5_000 });
    await subscription.close();
    return events.map(({ type, data }) => ({ type, raisedInError: data.incident.raisedInError }));
  }
  const incidentsOf = (id: string) =>
    stage.rows<{ started_at: Date; ended_at: Date | null; raised_in_error: boolean }>(
      'SELECT started_at, ended_at, raised_in_error FROM incident WHERE heartbeat_id = $1',
      [id],
    );

  it('ends the incident, marks it raised in error and is told so, and once more in the log changes nothing', async () => {
    // Guarded by (o) of `applySignal` in libs/domain/src/deadline-rule.ts.
    const id = await stage.heartbeat(1, 0, 1);
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    await stage.ping(id, pingedAt);
    await eventually(
      async () => {
        await stage.pulse();
        expect(await stage.incidents(id)).toHaveLength(1);
      },
      { withinMs: 10_000, everyMs: 200 },
    );

    const [lateId, deadlineAt] = [uuidv7(), pingedAt + 1_000];
    await stage.ping(id, deadlineAt, lateId);
    const ended = [{ started_at: new Date(deadlineAt), ended_at: new Date(deadlineAt), raised_in_error: true }];
    await eventually(async () => expect(await incidentsOf(id)).toEqual(ended), { withinMs: 5_000 });
    const opened = { type: 'incident.opened', raisedInError: undefined };
    const resolved = { type: 'incident.resolved', raisedInError: true };
    expect(await told(id)).toEqual([opened, resolved]);

    await stage.ping(id, deadlineAt, lateId);
    await stage.ping(id, deadlineAt + 1); // read after it: what the copy did is done by now
    await eventually(async () => expect(await stage.pingCount(id)).toBe(3), { withinMs: 5_000 });
    expect(await incidentsOf(id)).toEqual(ended);
    expect(await told(id)).toEqual([opened, resolved]);
  });
});
