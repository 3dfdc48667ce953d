import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';

import { findFreePorts } from '../free-ports';
import { LocalServer } from '../local-server';
import { oncePerMachine } from '../once-per-machine';
import { type Java } from '../programs';
import { KafkaCluster } from './kafka-cluster';
import { type KafkaJars } from './kafka-jars';
import { describeNode } from './kafka-node';

/**
 * The archive of Kafka's loaded classes for this Java, made when there is none yet (about 4 s): a broker that is asked
 * to is started on data of its own and writes it when it ends.
 */
export async function provideClassArchive(java: Java, jars: KafkaJars, onLog: (line: string) => void): Promise<string> {
  const version = createHash('sha256').update(java.version).digest('hex').slice(0, 12);
  const archive = path.join(jars.folder, `classes-${version}.jsa`);
  await oncePerMachine(
    `${archive}.lock`,
    () => fs.existsSync(archive),
    async () => {
      onLog('Preparing Kafka for fast starts; this happens once.');
      await make(java, jars, archive);
    },
  );
  return archive;
}

async function make(java: Java, jars: KafkaJars, archive: string): Promise<void> {
  // Always the same folder: a broker that a killed attempt left behind is found by it, and ended.
  const folder = path.join(jars.folder, 'warm-up');
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder);
  const draft = path.join(folder, 'classes.jsa');
  try {
    const runtime = { java, jars, classArchive: null };
    const cluster = await KafkaCluster.open(folder, { nodes: 1, security: 'none' }, runtime);
    const [client = 0, controller = 0] = await findFreePorts(2);
    const node = new LocalServer(
      describeNode(runtime, cluster, {
        nodeId: 1,
        ports: [{ client, controller, internal: client }],
        jvm: [`-XX:ArchiveClassesAtExit=${draft}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off'],
      }),
    );
    await node.start();
    await node.stop();
    fs.renameSync(draft, archive);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
