import { type NodeProperties, serverProperties } from './server-properties';

const node = (port: number) => ({ client: port, internal: port, controller: port + 1 });

const properties = (options: Partial<NodeProperties> = {}): Record<string, string> => {
  const base = { nodeId: 1, ports: [node(20_000)], dataFolder: '/data', security: null, settings: {} };
  const lines = serverProperties({ ...base, ...options })
    .trim()
    .split('\n');
  return Object.fromEntries(lines.map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]));
};

describe('the configuration of a Kafka node', () => {
  it('knows all voters and listens on its own ports alone', () => {
    const second = properties({ nodeId: 2, ports: [node(20_000), node(20_010), node(20_020)] });
    expect(second).toMatchObject({
      'node.id': '2',
      'controller.quorum.voters': '1@127.0.0.1:20001,2@127.0.0.1:20011,3@127.0.0.1:20021',
      listeners: 'INTERNAL://127.0.0.1:20010,CONTROLLER://127.0.0.1:20011',
      'advertised.listeners': 'INTERNAL://127.0.0.1:20010',
    });
  });

  it('keeps three copies of internal topics where there are three nodes', () => {
    const copies = (count: number) =>
      properties({ ports: Array.from({ length: count }, (_, index) => node(20_000 + 10 * index)) })[
        'offsets.topic.replication.factor'
      ];
    expect([1, 2, 3, 4].map(copies)).toEqual(['1', '2', '3', '3']);
  });

  it('asks clients for TLS and a password on a listener of their own', () => {
    const security = {
      ...{ caFile: '/ca', username: 'flatline', password: 'p' },
      ...{ keyStoreFile: '/keys', keyStorePassword: 'k' },
    };
    expect(properties({ security, ports: [{ client: 1, internal: 2, controller: 3 }] })).toMatchObject({
      listeners: 'CLIENT://127.0.0.1:1,INTERNAL://127.0.0.1:2,CONTROLLER://127.0.0.1:3',
      'listener.security.protocol.map': expect.stringContaining('CLIENT:SASL_SSL'),
    });
  });

  it('names a folder of any letters as Java reads it', () => {
    expect(properties({ dataFolder: '/ä b\\🚀' })['log.dirs']).toBe('/\\u00e4 b\\\\\\ud83d\\ude80');
  });

  it('lets the caller have the last word', () => {
    expect(properties({ settings: { 'num.partitions': 12 } })['num.partitions']).toBe('12');
  });
});
