import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';

import { ProvisioningFailed } from '../errors';
import { KAFKA_VERSION, provideKafkaJars } from './kafka-jars';

/** A Maven that writes one file where it is told to, counts its runs and then does what the test says. */
const maven = (folder: string, end: string): string => `#!/bin/sh
for argument in "$@"; do case "$argument" in -DoutputDirectory=*) lib="\${argument#*=}"; esac; done
echo run >> ${folder}/runs
mkdir -p "$lib" && echo half > "$lib/b.jar"
${end}
`;

describe('the cache of Kafka', () => {
  const searched = process.env['PATH'] ?? '';
  let folder: string;
  let cache: string;

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(tmpdir(), 'flatline-cache-'));
    cache = path.join(folder, 'cache');
    process.env['PATH'] = `${folder}:${searched}`;
  });

  afterEach(() => {
    process.env['PATH'] = searched;
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const mavenEndsWith = (end: string): void =>
    fs.writeFileSync(path.join(folder, 'mvn'), maven(folder, end), { mode: 0o755 });
  const provide = () => provideKafkaJars(cache, () => undefined);
  const runs = () => fs.readFileSync(path.join(folder, 'runs'), 'utf8').trim().split('\n').length;

  it.each([
    ['fails', 'echo "[ERROR] Could not transfer artifact"; exit 1', 'Could not transfer artifact'],
    ['is killed', 'kill -9 $$', 'it said nothing'],
  ])('holds nothing when the download %s, and the next one completes it', async (_, end, complaint) => {
    mavenEndsWith(end);
    const failed = provide();
    await expect(failed).rejects.toBeInstanceOf(ProvisioningFailed);
    await expect(failed).rejects.toThrow(complaint);
    expect(fs.readdirSync(cache)).toEqual([]);

    mavenEndsWith('echo whole > "$lib/a.jar"');
    const { classPath } = await provide();
    const lib = path.join(cache, `kafka-${KAFKA_VERSION}`, 'lib');
    expect(classPath).toBe(`${lib}/a.jar:${lib}/b.jar`);
  });

  it('clears away what a download left that was killed with its process, lock included', async () => {
    const nobody = 2 ** 22 + 1; // above the highest process id of Linux
    fs.mkdirSync(path.join(cache, `kafka-${KAFKA_VERSION}.draft-1`), { recursive: true });
    fs.writeFileSync(path.join(cache, `kafka-${KAFKA_VERSION}.lock`), `${nobody}\n`);
    mavenEndsWith('exit 0');
    await provide();
    expect(fs.readdirSync(cache)).toEqual([`kafka-${KAFKA_VERSION}`]);
  });

  it('is filled once by all who need it at the same time', async () => {
    mavenEndsWith('sleep 0.3');
    const provided = await Promise.all([provide(), provide(), provide()]);
    expect(new Set(provided.map(({ classPath }) => classPath)).size).toBe(1);
    expect(runs()).toBe(1);
  });
});
