import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';

import { OtherCluster, ProvisioningFailed } from '../errors';
import { keytoolOf } from '../programs';
import { runProgram } from '../run-program';
import { invokeKafka, type KafkaRuntime } from './jvm';
import { type KafkaSecurity, type NodeProperties, serverProperties } from './server-properties';

export type SecurityKind = 'none' | 'sasl-tls';

/** What a cluster is made with, for good. */
interface Description {
  clusterId: string;
  nodes: number;
  security: SecurityKind;
  /** of the user and of the key store; '' without security */
  password: string;
}

/** The files of a cluster. */
export class KafkaCluster {
  private constructor(
    private readonly folder: string,
    private readonly description: Description,
  ) {}

  get nodes(): number {
    return this.description.nodes;
  }

  /** null: clients need neither TLS nor a password. */
  get security(): NodeProperties['security'] {
    return this.description.security === 'none' ? null : securityOf(this.folder, this.description.password);
  }

  nodeFolder(nodeId: number): string {
    return path.join(this.folder, `node-${nodeId}`);
  }

  dataFolder(nodeId: number): string {
    return path.join(this.nodeFolder(nodeId), 'data');
  }

  /**
   * The cluster in `dataDir`, made when there is none yet: all or nothing, an attempt that was killed is thrown away by
   * the next. Throws OtherCluster when it was made with another number of nodes or another security.
   */
  static async open(
    dataDir: string,
    wanted: { nodes: number; security: SecurityKind },
    runtime: KafkaRuntime,
  ): Promise<KafkaCluster> {
    const folder = path.join(dataDir, 'cluster');
    if (!fs.existsSync(folder)) await make(dataDir, folder, wanted, runtime);
    const found = JSON.parse(fs.readFileSync(path.join(folder, DESCRIPTION), 'utf8')) as Description;
    if (found.nodes !== wanted.nodes || found.security !== wanted.security) {
      throw new OtherCluster(
        `The Kafka data in ${dataDir} are of ${found.nodes} nodes with security "${found.security}", ` +
          `not of ${wanted.nodes} with "${wanted.security}"; choose another folder.`,
      );
    }
    return new KafkaCluster(folder, found);
  }
}

const DESCRIPTION = 'cluster.json';
const DRAFT = 'cluster.draft-';
const USERNAME = 'flatline';

async function make(
  dataDir: string,
  folder: string,
  { nodes, security }: { nodes: number; security: SecurityKind },
  runtime: KafkaRuntime,
): Promise<void> {
  removeDrafts(dataDir);
  const draft = fs.mkdtempSync(path.join(dataDir, DRAFT));
  const password = security === 'none' ? '' : randomBytes(18).toString('hex');
  const description: Description = { clusterId: newClusterId(), nodes, security, password };
  fs.writeFileSync(path.join(draft, DESCRIPTION), `${JSON.stringify(description)}\n`, { mode: 0o600 });
  if (security !== 'none') await makeKeys(draft, password, runtime);
  const ids = Array.from({ length: nodes }, (_, index) => index + 1);
  await Promise.all(ids.map((nodeId) => format(draft, nodeId, description, runtime)));
  fs.renameSync(draft, folder);
}

function removeDrafts(dataDir: string): void {
  for (const name of fs.readdirSync(dataDir).filter((entry) => entry.startsWith(DRAFT))) {
    fs.rmSync(path.join(dataDir, name), { recursive: true, force: true });
  }
}

/** 16 bytes as Kafka writes them; one that begins with a dash would be taken for an option. */
function newClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? newClusterId() : id;
}

/**
 * The empty metadata log of one node. The user's password goes into it; for this second the users of this machine could
 * read it in the list of processes.
 */
async function format(draft: string, nodeId: number, description: Description, runtime: KafkaRuntime): Promise<void> {
  const { clusterId, nodes, security, password } = description;
  const nodeFolder = path.join(draft, `node-${nodeId}`);
  fs.mkdirSync(nodeFolder);
  const config = path.join(nodeFolder, 'format.properties');
  // It wants a whole configuration and uses its folder; the ports are for later.
  const ports = Array.from({ length: nodes }, (_, index) => ({ client: 1, internal: 2, controller: 3 + index }));
  const dataFolder = path.join(nodeFolder, 'data');
  fs.writeFileSync(config, serverProperties({ nodeId, ports, dataFolder, security: null, settings: {} }));
  const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${USERNAME},password=${password}]`,
  ]);
  const { program, args, env } = invokeKafka(runtime, 'kafka.tools.StorageTool', [
    ...['format', '--cluster-id', clusterId, '--config', config],
    ...(security === 'none' ? [] : users),
  ]);
  const { code, output } = await runProgram(program, args, env);
  if (code !== 0) throw new ProvisioningFailed('The files of Kafka could not be made', output);
}

/** A key and a certificate for 127.0.0.1 that vouches for itself. */
async function makeKeys(draft: string, password: string, { java }: KafkaRuntime): Promise<void> {
  const { keyStoreFile, caFile } = securityOf(draft, password);
  const store = ['-keystore', keyStoreFile, '-storetype', 'PKCS12', '-storepass:env', 'STORE_PASSWORD'];
  const key = ['-alias', 'broker'];
  const commands = [
    [
      ...['-genkeypair', ...key, ...store, '-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', '3650'],
      ...['-dname', 'CN=Flatline local Kafka', '-ext', 'SAN=ip:127.0.0.1,dns:localhost', '-ext', 'bc:critical=ca:true'],
    ],
    ['-exportcert', '-rfc', ...key, ...store, '-file', caFile],
  ];
  for (const args of commands) {
    const { code, output } = await runProgram(keytoolOf(java), args, { ...process.env, STORE_PASSWORD: password });
    if (code !== 0) throw new ProvisioningFailed('The certificate of Kafka could not be made', output);
  }
}

function securityOf(folder: string, password: string): KafkaSecurity & NonNullable<NodeProperties['security']> {
  return {
    caFile: path.join(folder, 'ca.pem'),
    username: USERNAME,
    password,
    keyStoreFile: path.join(folder, 'broker.p12'),
    keyStorePassword: password,
  };
}
