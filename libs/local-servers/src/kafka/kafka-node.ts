import * as fs from 'node:fs';
import * as path from 'node:path';

import { type ServerDescription } from '../local-server';
import { isKafkaAnswering } from './is-kafka-answering';
import { invokeKafka, type KafkaRuntime } from './jvm';
import { type KafkaCluster } from './kafka-cluster';
import { type KafkaSettings, type NodePorts, serverProperties } from './server-properties';
import { type KafkaTuning, TUNINGS } from './tuning';

export interface NodeOptions {
  /** from 1 */
  nodeId: number;
  /** of all nodes */
  ports: NodePorts[];
  settings?: KafkaSettings;
  tuning?: KafkaTuning;
  /** more options of Java */
  jvm?: string[];
  onSpawn?: (pid: number) => void;
}

/** It hands over what it leads and writes what it has: half a second, unless it finds nobody to hand over to. */
const STOP_PATIENCE_MS = 5_000;

/** How one node of a cluster is run. Writes its configuration. */
export function describeNode(runtime: KafkaRuntime, cluster: KafkaCluster, options: NodeOptions): ServerDescription {
  const { nodeId, ports, settings, jvm = [], onSpawn } = options;
  const tuning = TUNINGS[options.tuning ?? 'quick'];
  const folder = cluster.nodeFolder(nodeId);
  const configFile = path.join(folder, 'server.properties');
  const properties = serverProperties({
    ...{ nodeId, ports, settings: { ...tuning.settings, ...settings } },
    dataFolder: cluster.dataFolder(nodeId),
    security: cluster.security,
  });
  fs.writeFileSync(configFile, properties, { mode: 0o600 });
  const own = ports[nodeId - 1];
  return {
    ...invokeKafka(runtime, 'kafka.Kafka', [configFile], [...tuning.jvm, ...jvm]),
    name: `kafka-${nodeId}`,
    port: own?.client ?? 0,
    cwd: folder,
    configFile,
    logFile: path.join(folder, 'kafka.log'),
    probe: () => isKafkaAnswering(own?.internal ?? 0),
    stopPatienceMs: STOP_PATIENCE_MS,
    ...(onSpawn ? { onSpawn } : {}),
  };
}
