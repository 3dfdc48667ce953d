import { type KafkaSettings } from './server-properties';

/**
 * `quick`: ready soon and small, for tests. `throughput`: more memory and the optimising compiler, for a broker that is
 * measured or lives for hours.
 */
export type KafkaTuning = 'quick' | 'throughput';

/** How long a broker may be silent before it counts as dead; its next start after a kill has to wait for that, too. */
const silence = (timeoutMs: number, heartbeatMs: number): KafkaSettings => ({
  'broker.session.timeout.ms': timeoutMs,
  'broker.heartbeat.interval.ms': heartbeatMs,
});

/** Options of Java, and settings that the caller may still override. */
export const TUNINGS: Record<KafkaTuning, { jvm: string[]; settings: KafkaSettings }> = {
  quick: { jvm: ['-Xms128m', '-Xmx256m', '-XX:TieredStopAtLevel=1'], settings: silence(1_500, 250) },
  // A machine that is busy for a moment must not cost a broker its leaderships.
  throughput: { jvm: ['-Xms512m', '-Xmx1g'], settings: silence(3_000, 500) },
};
