import type { LogRecord } from '@flatline/event-log';
import type { KnownNotification, PlannableChannel } from './plan-notifications';
import { lateDowns, notificationId, planNotifications, TERMINAL_CHANNEL } from './plan-notifications';
import { readIncidents } from './read-incidents';
import type { ToldIncident } from './read-incidents';
import { downRecord, recoveredRecord, testIncident } from './test-incidents';

const incident = testIncident();
const mail: PlannableChannel = { id: 'mail', kind: 'email', unusable: null };
const hook: PlannableChannel = { id: 'hook', kind: 'webhook', unusable: null };
const mailWithoutServer: PlannableChannel = { ...mail, unusable: 'not_configured' };

const [down, recovered] = readIncidents(
  [downRecord(incident, 1), recoveredRecord(incident, 1)].map(
    (record, offset) => ({ ...record, topic: 't', offset, headers: {}, appendedAt: 0 }) satisfies LogRecord,
  ),
).incidents as [ToldIncident, ToldIncident];

function plan(incidents: ToldIncident[], channels: PlannableChannel[], known: KnownNotification[] = []) {
  return planNotifications(incidents, () => channels, known).map(({ transition, channelId, status, reason }) =>
    [transition, channelId, reason ?? status].join(' '),
  );
}

function told(channel: PlannableChannel, status = 'delivered'): KnownNotification {
  return {
    incidentId: incident.incidentId,
    transition: 'down',
    channelId: channel.id,
    channelKind: channel.kind,
    status,
  };
}

describe('planning', () => {
  it('tells every channel of both ends of an incident, in order', () => {
    expect(plan([down, recovered], [mail, hook])).toEqual([
      'down mail pending',
      'down hook pending',
      'recovered mail pending',
      'recovered hook pending',
    ]);
  });

  it('tells the terminal when there is no channel', () => {
    expect(plan([down], [])).toEqual(['down terminal pending']);
  });

  it('tells the terminal when no channel can be used, and says why the others were not', () => {
    expect(plan([down], [mailWithoutServer])).toEqual(['down mail not_configured', 'down terminal pending']);
  });

  it('leaves the terminal alone when one channel can be used', () => {
    expect(plan([down], [mailWithoutServer, hook])).toEqual(['down mail not_configured', 'down hook pending']);
  });

  it('plans nothing twice, whether the log tells it again at once or later', () => {
    expect(plan([down, down], [mail])).toEqual(['down mail pending']);
    expect(plan([down], [mail], [told(mail)])).toEqual([]);
  });

  it('tells no channel that was added later of an incident that the log tells again', () => {
    expect(plan([down], [mail, hook], [told(mail)])).toEqual([]);
  });

  it('drops a recovery where nobody was told of the incident', () => {
    expect(plan([recovered], [mail], [told(mail, 'dead')])).toEqual(['recovered mail never_told']);
    expect(plan([recovered], [mail, hook], [told(mail)])).toEqual([
      'recovered mail pending',
      'recovered hook never_told',
    ]);
    expect(plan([down, recovered], [mailWithoutServer, hook])).toContain('recovered mail never_told');
  });

  it('lets a recovery wait for a "down" that is still under way', () => {
    expect(plan([recovered], [mail], [told(mail, 'sending')])).toEqual(['recovered mail pending']);
  });

  it('tells a recovery where the incident was told, though the project has other channels now', () => {
    expect(plan([recovered], [hook], [told(TERMINAL_CHANNEL)])).toEqual([
      'recovered hook never_told',
      'recovered terminal pending',
    ]);
  });

  it('finds the "downs" that come after their recovery, in the log or in the same batch, and no others', () => {
    const late = (incidents: ToldIncident[], known: KnownNotification[] = []): string[] =>
      lateDowns(
        planNotifications(incidents, () => [mail], known),
        known,
      ).map(({ channelId }) => channelId);
    expect(late([down], [{ ...told(mail, 'suppressed'), transition: 'recovered' }])).toEqual(['mail']);
    expect(late([recovered, down])).toEqual(['mail']);
    expect(late([down, recovered])).toEqual([]);
    expect(late([down])).toEqual([]);
  });

  /** Guarded by the last line of `audience`: a channel that was added since would hear "down" as the last word. */
  it('tells a "down" behind its recovery to the channels of that recovery alone', () => {
    const untold = { ...told(mail, 'suppressed'), transition: 'recovered' } as const;
    expect(plan([down], [mail, hook], [untold])).toEqual(['down mail pending']);
    expect(plan([down], [hook], [untold])).toEqual(['down mail pending']);
  });

  it('gives a notification the same id whenever it is planned, and no two the same', () => {
    const planned = planNotifications([down, recovered], () => [mail, hook], []);
    expect(planned.map(({ id }) => id)).toEqual(
      planNotifications([down, recovered], () => [mail, hook], []).map(({ id }) => id),
    );
    expect(new Set(planned.map(({ id }) => id)).size).toBe(4);
    expect(planned[0]?.id).toBe(notificationId(incident.incidentId, 'down', 'mail'));
  });
});
