import { join } from 'node:path';

import { createTransport } from 'nodemailer';
import { Client } from 'pg';

import { eventually } from './eventually';
import { useTestDatabase } from './test-database';
import { startTestProcess } from './test-process';
import { startTestSmtp } from './test-smtp';
import { startWebhookReceiver } from './webhook-receiver';

describe('the test database', () => {
  const database = useTestDatabase('kit');

  it('is a real, empty Postgres database with a name the guard admits', async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query('SELECT current_database() AS name, current_setting($1) AS fsync', ['fsync']);
    await client.end();
    expect(rows).toEqual([{ name: database.name, fsync: 'on' }]);
    expect(database.name).toContain('test');
  });
});

describe('the test SMTP server', () => {
  it('keeps mails as a reader sees them and refuses when told to', async () => {
    const smtp = await startTestSmtp();
    const transport = createTransport(smtp.url);
    const mail = { from: 'a@example.org', to: 'b@example.org', subject: 'Grüße', text: 'hello', html: '<b>hello</b>' };
    try {
      smtp.refuseNext({ code: 451, message: 'later' });
      await expect(transport.sendMail(mail)).rejects.toMatchObject({ responseCode: 451 });
      await transport.sendMail(mail);
      expect(smtp.offered).toBe(2);
      expect(smtp.mails).toMatchObject([{ subject: 'Grüße', html: '<b>hello</b>', envelopeTo: ['b@example.org'] }]);
    } finally {
      transport.close();
      await smtp.stop();
    }
  });
});

describe('the webhook receiver', () => {
  it('keeps requests and answers as programmed', async () => {
    const receiver = await startWebhookReceiver();
    try {
      receiver.answerNext({ status: 503, headers: { 'retry-after': '1' } }, { failure: 'cut' });
      const post = (): Promise<Response> => fetch(`${receiver.url}/hook?a=1`, { method: 'POST', body: '{"n":1}' });
      expect((await post()).status).toBe(503);
      await expect(post()).rejects.toThrow();
      expect((await post()).status).toBe(204);
      expect(receiver.requests[0]).toMatchObject({ method: 'POST', path: '/hook?a=1', body: '{"n":1}' });
    } finally {
      await receiver.stop();
    }
  });
});

describe('a test process', () => {
  const holder = `
    const { startTestProcess } = require(process.argv[1]);
    const child = startTestProcess({ args: ['-e', 'setInterval(() => {}, 1000)'] });
    console.log('child ' + child.pid);
  `;

  it('does not outlive the process that started it, even when that is killed', async () => {
    const kit = join(__dirname, '../../../dist/libs/test-kit/src/test-process.js');
    const parent = startTestProcess({ args: ['-e', holder, kit] });
    const pid = Number((await parent.line(/^child \d+$/)).split(' ')[1]);
    await parent.stop('SIGKILL');
    await eventually(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'));
  });

  it('reports lines, exit code and signal', async () => {
    const talker = startTestProcess({ args: ['-e', 'console.log("one\\ntwo"); process.exit(3)'] });
    await expect(talker.line(/^two$/)).resolves.toBe('two');
    await expect(talker.end()).resolves.toEqual({ code: 3, signal: null });
  });
});
