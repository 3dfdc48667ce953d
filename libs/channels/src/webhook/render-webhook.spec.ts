import { exampleFacts, unverified } from '../example-facts';
import { renderWebhook } from './render-webhook';

describe('the body of a webhook', () => {
  it('tells that a heartbeat went down', () => {
    expect(JSON.parse(renderWebhook(exampleFacts()).body)).toEqual({
      type: 'heartbeat.down',
      timestamp: '2026-01-05T03:12:00.000Z',
      data: {
        heartbeat: {
          id: '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a',
          name: 'nightly backup',
          status: 'failing',
          interval_secs: 3600,
          schedule: null,
          timezone: null,
          grace_secs: 300,
          last_pinged_at: '2026-01-05T01:07:00.000Z',
        },
        incident: {
          id: '5f2c1c9e-9d4e-5a83-a3a5-4f1f0f3c2d11',
          started_at: '2026-01-05T03:12:00.000Z',
          ended_at: null,
          reason: 'missed',
          misses: 2,
        },
      },
    });
  });

  it('tells that it recovered, and when', () => {
    const body = JSON.parse(renderWebhook(exampleFacts({ transition: 'recovered' })).body) as Record<string, unknown>;
    expect(body).toMatchObject({
      type: 'heartbeat.recovered',
      timestamp: '2026-01-05T03:26:10.000Z',
      data: { heartbeat: { status: 'active' }, incident: { ended_at: '2026-01-05T03:26:10.000Z' } },
    });
  });

  it('tells when Flatline was away where a heartbeat could not be verified', () => {
    const body = JSON.parse(renderWebhook(exampleFacts({ incident: unverified })).body) as Record<string, unknown>;
    expect(body).toMatchObject({
      type: 'heartbeat.down',
      data: {
        incident: {
          reason: 'unverified',
          blackout: { started_at: '2026-01-05T02:40:00.000Z', ended_at: '2026-01-05T03:02:30.000Z' },
        },
      },
    });
  });

  it('says the cron expression and its zone instead of an interval', () => {
    const cron = { intervalSecs: null, schedule: '30 2 * * *', timezone: 'Europe/Berlin' };
    expect(JSON.parse(renderWebhook(exampleFacts({ heartbeat: cron })).body)).toMatchObject({
      data: { heartbeat: { interval_secs: null, schedule: '30 2 * * *', timezone: 'Europe/Berlin' } },
    });
  });

  it('says of a recovery that the alarm was raised in error, and of no other', () => {
    const raised = exampleFacts({ transition: 'recovered', incident: { raisedInError: true } });
    expect(JSON.parse(renderWebhook(raised).body)).toMatchObject({ data: { incident: { raised_in_error: true } } });
    expect(renderWebhook(exampleFacts({ transition: 'recovered' })).body).not.toContain('raised_in_error');
  });

  it('is the same bytes however often it is rendered', () => {
    expect(renderWebhook(exampleFacts())).toEqual(renderWebhook(exampleFacts()));
  });

  it('keeps a name of any characters and says null for what is not known', () => {
    const name = 'قاعدة "البيانات" 🚀 \u2028';
    const facts = exampleFacts({ heartbeat: { name, lastPingedAt: null, intervalSecs: null } });
    expect(JSON.parse(renderWebhook(facts).body)).toMatchObject({
      data: { heartbeat: { name, last_pinged_at: null, interval_secs: null } },
    });
  });
});
