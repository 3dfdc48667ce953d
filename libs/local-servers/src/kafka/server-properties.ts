/** Kafka settings by name; see https://kafka.apache.org/documentation/#brokerconfigs. */
export type KafkaSettings = Record<string, string | number | boolean>;

/** Ports of one node, all on 127.0.0.1. */
export interface NodePorts {
  /** for clients */
  client: number;
  /** for the nodes among themselves, as voters on the metadata */
  controller: number;
  /** for the nodes among themselves, as brokers; the same as `client` when clients need neither TLS nor a password */
  internal: number;
}

/** What clients of a secured cluster have to know, and the brokers with them. */
export interface KafkaSecurity {
  /** PEM: trust this to trust the brokers */
  caFile: string;
  username: string;
  password: string;
}

export interface NodeProperties {
  nodeId: number;
  /** of all nodes, the first of them being node 1 */
  ports: NodePorts[];
  dataFolder: string;
  security: (KafkaSecurity & { keyStoreFile: string; keyStorePassword: string }) | null;
  /** added to, or instead of, what stands here */
  settings: KafkaSettings;
}

/**
 * The configuration of one node, which is broker and voter on the metadata at once. For machines with one user and few
 * cores: loopback, few internal partitions, no waiting for more members of a group.
 */
export function serverProperties({ nodeId, ports, dataFolder, security, settings }: NodeProperties): string {
  const own = ports[nodeId - 1];
  if (!own) throw new RangeError(`there is no node ${nodeId} of ${ports.length}`);
  const copies = Math.min(3, ports.length);
  const listeners = {
    ...(security ? { CLIENT: own.client } : {}),
    INTERNAL: own.internal,
    CONTROLLER: own.controller,
  };
  const { CONTROLLER: _controller, ...advertised } = listeners;
  return format({
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': ports.map(({ controller }, index) => `${index + 1}@${loopback(controller)}`).join(','),
    listeners: listenerList(listeners),
    'advertised.listeners': listenerList(advertised),
    'listener.security.protocol.map': `CLIENT:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'INTERNAL',
    ...(security ? clientListener(security) : {}),
    'log.dirs': dataFolder,
    'auto.create.topics.enable': false,
    'num.partitions': 1,
    'default.replication.factor': copies,
    'offsets.topic.num.partitions': 1,
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.num.partitions': 1,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    ...settings,
  });
}

/** TLS and a password, by every mechanism that Flatline knows. */
function clientListener(security: NonNullable<NodeProperties['security']>): KafkaSettings {
  const { username, password, keyStoreFile, keyStorePassword } = security;
  const listener = 'listener.name.client.';
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  return {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    [`${listener}plain.sasl.jaas.config`]: `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}";`,
    [`${listener}scram-sha-256.sasl.jaas.config`]: scram,
    [`${listener}scram-sha-512.sasl.jaas.config`]: scram,
    [`${listener}ssl.keystore.type`]: 'PKCS12',
    [`${listener}ssl.keystore.location`]: keyStoreFile,
    [`${listener}ssl.keystore.password`]: keyStorePassword,
  };
}

function listenerList(listeners: Record<string, number>): string {
  return Object.entries(listeners)
    .map(([name, port]) => `${name}://${loopback(port)}`)
    .join(',');
}

function loopback(port: number): string {
  return `127.0.0.1:${port}`;
}

/** The syntax of java.util.Properties, in which a backslash escapes and letters beyond ASCII have to be. */
function format(settings: KafkaSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\').replace(BEYOND_ASCII, escaped)}\n`)
    .join('');
}

const BEYOND_ASCII = /[^\x20-\x7e]/g;

/** By UTF-16 units, as Java counts. */
function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
