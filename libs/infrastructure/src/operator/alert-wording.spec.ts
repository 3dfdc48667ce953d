import { operatorConditions } from '@flatline/service-kernel';
import type { AlertNotice } from './alert-book';
import { headline, mailText, webhookBody, WORDING } from './alert-wording';

const SINCE = Date.parse('2026-11-26T02:10:00.000Z');
const notice: AlertNotice = {
  status: 'raised',
  condition: 'watermark_stalled',
  sentence: 'the watermark of shard 3 is 75 s behind; deadlines wait for it',
  sinceAt: SINCE,
  endedAt: null,
  idempotencyKey: 'key',
};
const over: AlertNotice = { ...notice, status: 'over', endedAt: SINCE + 900_000 };

describe('what an operator reads', () => {
  it('says in a mail what is wrong, what it means, what to do first, and where to read on', () => {
    expect(headline(notice)).toBe('Deadlines are not being judged');
    expect(mailText(notice, 'deadline-scheduler on host-1')).toBe(`Deadlines are not being judged.

Pings may be taken as always, and none is lost. But nobody is told when a job stops, until this is mended. Then everything is judged in order and dated when it happened.

First: See that an ingest and a deadline scheduler run and what their /readyz says.

Found:    the watermark of shard 3 is 75 s behind; deadlines wait for it
Since:    Thu 26 Nov 2026, 02:10:00 UTC
Told by:  deadline-scheduler on host-1
Runbook:  docs/runbooks/watermark-stalled.md

-- 
Flatline, about itself. This message needed neither Kafka, Redis nor Postgres.
It comes again every hour, and once more when it is over.
`);
  });

  it('says when it is over, for whoever did not read the first one, too', () => {
    expect(headline(over)).toBe('Over: Deadlines are not being judged (for 15 minutes)');
    expect(mailText(over, 'x')).toMatch(/^This is over: deadlines are not being judged\.\n/);
    expect(mailText(over, 'x')).toContain('Until:    Thu 26 Nov 2026, 02:25:00 UTC');
    expect(headline({ ...notice, status: 'still' })).toBe('Still: Deadlines are not being judged');
  });

  it('is the same in a webhook, in fields', () => {
    expect(JSON.parse(webhookBody(over, 'x'))).toMatchObject({
      type: 'operator.alert',
      timestamp: '2026-11-26T02:25:00.000Z',
      data: {
        condition: 'watermark_stalled',
        status: 'over',
        found: over.sentence,
        runbook: 'docs/runbooks/watermark-stalled.md',
        since: '2026-11-26T02:10:00.000Z',
        until: '2026-11-26T02:25:00.000Z',
        told_by: 'x',
      },
    });
  });

  it.each(operatorConditions)('has whole sentences about %s', (condition) => {
    const { title, meaning, firstStep } = WORDING[condition];
    expect(title).toMatch(/^[A-Z].{10,60}[^.]$/);
    for (const sentence of [meaning, firstStep]) expect(sentence).toMatch(/^[A-Z].{20,250}\.$/);
  });
});
