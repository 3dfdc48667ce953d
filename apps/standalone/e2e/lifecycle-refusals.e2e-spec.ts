import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';

import { createDataDir, removeDataDir, startFlatline, useFlatline } from '@flatline/test-kit';
import type { Flatline } from '@flatline/test-kit';

/** Who may do nothing that is not for everybody. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const asNobody = process.getuid?.() === 0 ? { user: NOBODY } : {};

/** Expects an end that is no crash: another code than 0 and one sentence that matches. */
async function expectRefusal(flatline: Flatline, sentence: RegExp): Promise<string> {
  const { code, signal } = await flatline.process.end({ withinMs: 20_000 });
  const { lines } = flatline.process;
  expect({ code, signal, lines }).toEqual({ code: 1, signal: null, lines: [expect.stringMatching(sentence)] });
  expect(lines.join('\n')).not.toMatch(/^\s+at |node:internal|Error:/m);
  return lines.join('\n');
}

describe('Flatline refuses to start, with one sentence', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = createDataDir();
  });
  afterEach(() => removeDataDir(dataDir));

  it('when its port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    await expectRefusal(await startFlatline({ dataDir, port }), new RegExp(`^Port ${port} .* already in use`));
    other.close();
  });

  it('when its data directory is not writable', async () => {
    chmodSync(dirname(dataDir), 0o555);
    await expectRefusal(await startFlatline({ dataDir, ...asNobody }), /^The data directory .* cannot be used/);
    chmodSync(dirname(dataDir), 0o755);
    mkdirSync(dataDir, { mode: 0o555 });
    await expectRefusal(await startFlatline({ dataDir, ...asNobody }), /^The data directory .* cannot be used/);
  });

  it('when its data directory is a file, or lies below one', async () => {
    writeFileSync(dataDir, '');
    await expectRefusal(await startFlatline({ dataDir }), /^The data directory .* cannot be used/);
    await expectRefusal(
      await startFlatline({ dataDir: join(dataDir, 'below') }),
      /^The data directory .* cannot be used/,
    );
  });

  it('that names every variable that is wrong and shows no value', async () => {
    const env = {
      PORT: '80a80',
      HOST: 'not a host hunter2',
      PUBLIC_BASE_URL: 'ftp://hunter2.example',
      FLATLINE_BOOTSTRAP_API_KEY: 'too-short-hunter2',
      DATABASE_URL: 'mysql://me:hunter2hunter2@db/flatline',
      PING_TOKEN_KEYS: 'aHVudGVyMi1zZWNyZXQ=',
      PING_PARTITIONS: '0',
      INGEST_LEASE_SECONDS: '1e3',
      SMTP_URL: 'http://me:hunter2hunter2@mail.example',
      LOG_LEVEL: 'loud-hunter2',
      ALLOW_PRIVATE_WEBHOOK_TARGETS: 'perhaps-hunter2',
      DEFAULT_ALERT_EMAIL: 'not-an-address-hunter2',
      DEFAULT_ALERT_WEBHOOK_URL: 'hunter2',
      DEFAULT_ALERT_WEBHOOK_SECRET: 'whsec_hunter2',
    };
    const refusal = await expectRefusal(await startFlatline({ dataDir, env }), /^Flatline did not start: PORT must/);
    for (const [name, value] of Object.entries(env)) {
      expect(refusal).toMatch(new RegExp(`(: |; )${name} must`));
      if (value.length > 4) expect(refusal).not.toContain(value);
    }
    expect(refusal).not.toContain('hunter2');
    expect(existsSync(dataDir)).toBe(false);
  });

  it('when the Postgres of DATABASE_URL cannot be reached, without its password', async () => {
    const flatline = await startFlatline({
      dataDir,
      env: { DATABASE_URL: 'postgres://me:hunter2hunter2@127.0.0.1:9/x' },
    });
    expect(await expectRefusal(flatline, /DATABASE_URL/)).not.toContain('hunter2');
  });
});

describe('beside one that runs', () => {
  const flatline = useFlatline();

  it('a second one on the same data refuses to start, and the first goes on', async () => {
    // What someone sees who starts it a second time by mistake, with the same port as well.
    const second = await startFlatline({ dataDir: flatline.dataDir, port: flatline.port });
    await expectRefusal(second, new RegExp(`^Flatline is already running .*${flatline.process.pid}`));
    expect((await fetch(`${flatline.baseUrl}/readyz`)).status).toBe(200);
  });

  it('a second one on the same port refuses to start and makes no database', async () => {
    const folder = createDataDir();
    const second = await startFlatline({ dataDir: folder, port: flatline.port });
    await expectRefusal(second, new RegExp(`^Port ${flatline.port} .* already in use`));
    expect(existsSync(join(folder, 'postgres'))).toBe(false);
    removeDataDir(folder);
    expect((await fetch(`${flatline.baseUrl}/readyz`)).status).toBe(200);
  });
});
