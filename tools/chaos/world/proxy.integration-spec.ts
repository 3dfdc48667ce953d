import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { eventually } from '@flatline/test-kit';
import { localPortsOf } from './local-ports';
import { NetworkProxy } from './proxy';

describe('a network that can be made worse', () => {
  const heard: string[] = [];
  let echo: Server;
  let network: NetworkProxy;
  const clients: Client[] = [];

  beforeAll(async () => {
    echo = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        heard.push(data.toString());
        socket.write(data);
      });
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    network = await NetworkProxy.start(() => (echo.address() as AddressInfo).port);
  });
  afterAll(async () => {
    for (const { socket } of clients) socket.destroy();
    await network.stop();
    echo.close();
  });
  beforeEach(() => heard.splice(0));

  interface Client {
    readonly socket: Socket;
    text: string;
    isClosed: boolean;
  }

  function open(): Client {
    const client: Client = { socket: connect({ host: '127.0.0.1', port: network.port }), text: '', isClosed: false };
    client.socket.on('data', (data) => (client.text += data.toString()));
    client.socket.on('error', () => undefined);
    client.socket.on('close', () => (client.isClosed = true));
    clients.push(client);
    return client;
  }

  it('carries everything in both directions when it is well', async () => {
    const client = open();
    client.socket.write('hello');
    await eventually(() => expect(client.text).toBe('hello'));
  });

  it('takes its time, and keeps the order when it gets faster', async () => {
    const client = open();
    client.socket.write('0');
    await eventually(() => expect(client.text).toBe('0'));
    const slowAt = performance.now();
    network.delay(200);
    client.socket.write('1');
    await eventually(() => expect(client.text).toContain('1'));
    expect(performance.now() - slowAt).toBeGreaterThan(390);
    client.socket.write('2');
    network.mend();
    client.socket.write('3');
    await eventually(() => expect(client.text).toBe('0123'));
  });

  it('breaks connections when it is cut, and lets nobody through until it is mended', async () => {
    const before = open();
    before.socket.write('a');
    await eventually(() => expect(before.text).toBe('a'));
    network.cut();
    await eventually(() => expect(before.isClosed).toBe(true));
    const meanwhile = open();
    await eventually(() => expect(meanwhile.isClosed).toBe(true));
    network.mend();
    const after = open();
    after.socket.write('b');
    await eventually(() => expect(after.text).toBe('b'));
  });

  it('can be cut for some and well for others', async () => {
    const [one, other] = [open(), open()];
    for (const client of [one, other]) client.socket.write('c');
    await eventually(() => expect([one.text, other.text]).toEqual(['c', 'c']));
    const portOfOne = one.socket.localPort;
    expect(localPortsOf(process.pid)).toContain(portOfOne);
    expect(localPortsOf(process.ppid)).not.toContain(portOfOne);
    network.cut(() => new Set([portOfOne!]));
    await eventually(() => expect(one.isClosed).toBe(true));
    other.socket.write('d');
    await eventually(() => expect(other.text).toBe('cd'));
    network.mend();
  });

  it('lets the server hear and loses what it says, then breaks the connection', async () => {
    const client = open();
    client.socket.write('x');
    await eventually(() => expect(client.text).toBe('x'));
    network.loseAnswers();
    client.socket.write('commit');
    await eventually(() => expect(heard).toContain('commit'));
    network.mend();
    await eventually(() => expect(client.isClosed).toBe(true));
    expect(client.text).toBe('x');
  });
});
