import * as fs from 'node:fs';
import * as path from 'node:path';

import { ProvisioningFailed } from '../errors';
import { oncePerMachine } from '../once-per-machine';
import { findMaven } from '../programs';
import { runProgram } from '../run-program';

export const KAFKA_VERSION = '4.4.0';

const DRAFT = `kafka-${KAFKA_VERSION}.draft-`;

/** slf4j-simple is what lets Kafka say on stderr why it does not start; without a logger it says nothing. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>flatline</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;
const COPY_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/** The class path of Kafka, from one folder of the cache. */
export interface KafkaJars {
  /** everything made from this version of Kafka lies here */
  folder: string;
  classPath: string;
}

/**
 * Kafka from the cache. When it is not there yet, Maven fetches it (about 65 MB, a quarter of a minute): the folder
 * gets its name when it is complete, so a download that breaks off leaves no half cache.
 *
 * Throws MissingProgram, ProvisioningFailed.
 */
export async function provideKafkaJars(cacheDir: string, onLog: (line: string) => void): Promise<KafkaJars> {
  const folder = path.join(cacheDir, `kafka-${KAFKA_VERSION}`);
  await oncePerMachine(
    `${folder}.lock`,
    () => fs.existsSync(folder),
    async () => {
      const maven = findMaven();
      onLog(`Fetching Kafka ${KAFKA_VERSION} with Maven; this happens once.`);
      await download(maven, cacheDir, folder);
    },
  );
  const lib = path.join(folder, 'lib');
  const jars = fs.readdirSync(lib).filter((name) => name.endsWith('.jar'));
  // Always in the same order: an archive of classes is for exactly one class path.
  return {
    folder,
    classPath: jars
      .sort()
      .map((name) => path.join(lib, name))
      .join(path.delimiter),
  };
}

async function download(maven: string, cacheDir: string, folder: string): Promise<void> {
  removeDrafts(cacheDir);
  const draft = fs.mkdtempSync(path.join(cacheDir, DRAFT));
  try {
    const pom = path.join(draft, 'pom.xml');
    fs.writeFileSync(pom, POM);
    const { code, output } = await runProgram(maven, [
      ...['-B', '-q', '-ntp', '-f', pom, COPY_DEPENDENCIES],
      ...['-DincludeScope=runtime', `-DoutputDirectory=${path.join(draft, 'lib')}`],
    ]);
    if (code !== 0) throw new ProvisioningFailed(`Kafka ${KAFKA_VERSION} could not be fetched with ${maven}`, output);
    fs.chmodSync(draft, 0o755);
    fs.renameSync(draft, folder);
  } catch (error) {
    fs.rmSync(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Of processes that were killed; called by the only one that downloads. */
function removeDrafts(cacheDir: string): void {
  for (const name of fs.readdirSync(cacheDir).filter((entry) => entry.startsWith(DRAFT))) {
    fs.rmSync(path.join(cacheDir, name), { recursive: true, force: true });
  }
}
