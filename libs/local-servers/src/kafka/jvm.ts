import { type KafkaJars } from './kafka-jars';
import { type Java } from '../programs';
import { serverEnvironment } from '../server-environment';
import { type Invocation } from '../server-process';
import { TUNINGS } from './tuning';

/** What programs of Kafka run with. */
export interface KafkaRuntime {
  java: Java;
  jars: KafkaJars;
  /** of classes that are loaded already, which halves the time a start takes; null: none could be made */
  classArchive: string | null;
}

/** Without a locale Java on Linux takes file names for ASCII and finds no folder that has other letters in its path. */
const FILE_NAMES: Record<string, string> = process.platform === 'linux' ? { LC_ALL: 'C.UTF-8' } : {};

/**
 * How a main class of Kafka is run. Its log is on stderr: warnings, and when the server starts and ends.
 *
 * @param jvm further options of Java
 */
export function invokeKafka(
  { java, jars, classArchive }: KafkaRuntime,
  mainClass: string,
  args: string[],
  jvm: string[] = TUNINGS.quick.jvm,
): Pick<Invocation, 'program' | 'args' | 'env'> {
  const logger = '-Dorg.slf4j.simpleLogger.';
  return {
    program: java.program,
    args: [
      ...jvm,
      // The archive is for the collector it was made with.
      ...['-XX:+UseSerialGC', '-XX:+ExitOnOutOfMemoryError', '-Djava.awt.headless=true'],
      ...[`${logger}defaultLogLevel=warn`, `${logger}log.kafka.server.KafkaRaftServer=info`],
      ...[`${logger}showDateTime=true`, `${logger}dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX`],
      // An archive that does not fit is passed over.
      ...(classArchive === null ? [] : [`-XX:SharedArchiveFile=${classArchive}`, '-Xshare:auto', '-Xlog:cds=off']),
      mainClass,
      ...args,
    ],
    env: serverEnvironment({ CLASSPATH: jars.classPath, ...FILE_NAMES }),
  };
}
