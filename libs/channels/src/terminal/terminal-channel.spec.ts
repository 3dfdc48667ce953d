import { exampleFacts, unverified } from '../example-facts';
import { createTerminalChannel } from './terminal-channel';

async function printed(stream: { isTTY?: boolean }, facts = exampleFacts()): Promise<string> {
  let text = '';
  const channel = createTerminalChannel({
    ...stream,
    write: (chunk, done) => {
      text += chunk;
      done(null);
    },
  });
  await channel.send(channel.render(facts), { settings: {}, secret: null, idempotencyKey: 'n1' });
  return text;
}

describe('the terminal', () => {
  it('shows one plain line when a heartbeat goes down', async () => {
    expect(await printed({})).toBe(
      '2026-01-05T03:12:00.000Z  DOWN  nightly backup  No ping for 2 hours 5 minutes: 2 in a row did not come.' +
        ' (heartbeat 0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a)\n',
    );
  });

  it('shows one plain line when it recovers', async () => {
    expect(await printed({}, exampleFacts({ transition: 'recovered' }))).toBe(
      '2026-01-05T03:26:10.000Z  UP AGAIN  nightly backup  It was down for 14 minutes 10 seconds.' +
        ' (heartbeat 0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a)\n',
    );
  });

  it('does not call a heartbeat down that could not be verified', async () => {
    expect(await printed({}, exampleFacts({ incident: unverified }))).toMatch(
      /^\S+ {2}UNVERIFIED {2}nightly backup {2}No ping/,
    );
  });

  it('uses colour where somebody looks, and only there', async () => {
    expect(await printed({ isTTY: true })).toContain('\u001b[1;31mDOWN\u001b[0m');
    expect(await printed({ isTTY: false })).not.toContain('\u001b');
  });

  it('lets no name move the cursor or break the line', async () => {
    const line = await printed({}, exampleFacts({ heartbeat: { name: 'a\u001b[2J\u009b1mb\r\nUP AGAIN' } }));
    expect(line.slice(0, -1)).not.toMatch(/\p{Cc}/u);
  });

  it('tries again when standard output cannot be written', async () => {
    const channel = createTerminalChannel({ write: (_text, done) => done(new Error('EPIPE')) });
    const outcome = await channel.send(channel.render(exampleFacts()), {
      settings: {},
      secret: null,
      idempotencyKey: 'n1',
    });
    expect(outcome.outcome).toBe('retryable');
  });
});
