import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';

import { MissingProgram, startKafka, startRedis } from './index';

describe('a program that is missing', () => {
  const searched = { PATH: process.env['PATH'], JAVA_HOME: process.env['JAVA_HOME'] };
  let folder: string;

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(tmpdir(), 'flatline-programs-'));
    process.env['PATH'] = folder;
    delete process.env['JAVA_HOME'];
  });

  afterEach(() => {
    for (const [name, value] of Object.entries(searched)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const program = (name: string, says: string): void =>
    fs.writeFileSync(path.join(folder, name), `#!/bin/sh\necho '${says}' >&2\n`, { mode: 0o755 });

  const kafka = () => startKafka({ dataDir: path.join(folder, 'data'), cacheDir: path.join(folder, 'cache') });

  it('is named with the command that installs it: redis-server', async () => {
    await expect(startRedis({ dataDir: path.join(folder, 'data') })).rejects.toThrow(
      new MissingProgram('redis-server', 'There is no redis-server on the PATH', 'apt-get install -y redis-server'),
    );
  });

  it('is named with the command that installs it: java', async () => {
    await expect(kafka()).rejects.toThrow(
      'Kafka needs Java 17 or newer and there is no java; on Debian this installs it, as root: ' +
        'apt-get install -y openjdk-17-jre-headless maven',
    );
  });

  it.each([
    ['openjdk version "11.0.27" 2025-04-15', '11'],
    ['java version "1.8.0_392"', '8'],
    ['what?', 'of an unknown version'],
  ])('counts as missing when it is too old: %s', async (says, version) => {
    program('java', says);
    const refusal = kafka();
    await expect(refusal).rejects.toBeInstanceOf(MissingProgram);
    await expect(refusal).rejects.toThrow(`${path.join(folder, 'java')} is ${version};`);
  });

  it('is named with the command that installs it: mvn', async () => {
    program('java', 'openjdk version "21.0.1" 2023-10-17');
    await expect(kafka()).rejects.toThrow(/there is no mvn; .* openjdk-17-jre-headless maven$/);
    expect(fs.readdirSync(path.join(folder, 'cache'))).toEqual([]);
  });
});
