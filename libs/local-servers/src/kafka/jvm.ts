import { type KafkaJars } from './kafka-jars';
import { type Java } from '../programs';
import { serverEnvironment } from '../server-environment';
import { type Invocation } from '../server-process';

/** What programs of Kafka run with. */
export interface KafkaRuntime {
  java: Java;
  jars: KafkaJars;
  /** of classes that are loaded already, which halves the time a start takes; null: none could be made */
  classArchive: string | null;
}

/**
 * `quick`: ready soon and small, for tests. `throughput`: more memory and the optimising compiler, for a broker that is
 * measured or lives for hours.
 */
export type KafkaTuning = 'quick' | 'throughput';

const TUNINGS: Record<KafkaTuning, string[]> = {
  quick: ['-Xms128m', '-Xmx256m', '-XX:TieredStopAtLevel=1'],
  throughput: ['-Xms512m', '-Xmx1g'],
};

/** How a main class of Kafka is run: its log on stderr, warnings and what the server itself does. */
export function invokeKafka(
  { java, jars, classArchive }: KafkaRuntime,
  mainClass: string,
  args: string[],
  options: { tuning?: KafkaTuning; jvm?: string[] } = {},
): Pick<Invocation, 'program' | 'args' | 'env'> {
  const logger = '-Dorg.slf4j.simpleLogger.';
  return {
    program: java.program,
    args: [
      ...TUNINGS[options.tuning ?? 'quick'],
      // The archive is for the collector it was made with.
      ...['-XX:+UseSerialGC', '-XX:+ExitOnOutOfMemoryError', '-Djava.awt.headless=true'],
      ...[`${logger}defaultLogLevel=warn`, `${logger}log.kafka.server.KafkaRaftServer=info`],
      ...[`${logger}showDateTime=true`, `${logger}dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX`],
      // An archive that does not fit is passed over.
      ...(classArchive === null ? [] : [`-XX:SharedArchiveFile=${classArchive}`, '-Xshare:auto', '-Xlog:cds=off']),
      ...(options.jvm ?? []),
      mainClass,
      ...args,
    ],
    env: serverEnvironment({ CLASSPATH: jars.classPath }),
  };
}
