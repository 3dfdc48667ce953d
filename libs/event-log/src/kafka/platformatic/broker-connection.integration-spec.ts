import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { eventually } from '@flatline/test-kit';
import { BrokerConnection } from './broker-connection';
import { loadPlatformaticKafka } from './library';
import type { PlatformaticKafka } from './library';

/** A broker that takes connections and answers nothing. */
describe('a connection to a broker that hangs', () => {
  let kafka: PlatformaticKafka;
  let broker: Server;
  let accepted: Socket[] = [];
  /** How the connections ended, as the broker saw it. */
  let ends: string[] = [];

  beforeAll(async () => {
    kafka = await loadPlatformaticKafka();
  });
  beforeEach(async () => {
    [accepted, ends] = [[], []];
    broker = createServer((socket) => {
      accepted.push(socket);
      socket.resume();
      socket.once('end', () => ends.push('ended'));
      socket.once('error', (error: NodeJS.ErrnoException) => ends.push(String(error.code)));
    });
    await once(broker.listen(0, '127.0.0.1'), 'listening');
  });
  afterEach(async () => {
    for (const socket of accepted) socket.destroy();
    await new Promise((resolve) => broker.close(resolve));
  });

  const open = (): Promise<BrokerConnection> => {
    const { port } = broker.address() as AddressInfo;
    const settings = { access: { brokers: [] }, clientId: 'test' };
    return BrokerConnection.open(kafka, { host: '127.0.0.1', port }, settings);
  };

  it('does not outlive a request whose answer is overdue: a late one would fail the requests behind it', async () => {
    const connection = await open();
    const other = connection.ask(kafka.metadataV12.api, null, []);
    const overdue = connection.ask(kafka.metadataV12.api, 50, []);
    await expect(overdue).rejects.toThrow(/^no answer from 127\.0\.0\.1:\d+ within 50 ms$/);
    await expect(other).rejects.toThrow('Connection closed');
    expect(connection.usable).toBe(false);
    await eventually(() => expect(ends).toEqual(['ECONNRESET']));
  });

  it('is reset when it is given up, so that nothing the kernel still holds back is sent', async () => {
    const connection = await open();
    connection.destroy();
    connection.destroy();
    await eventually(() => expect(ends).toEqual(['ECONNRESET']));
    await expect(connection.ask(kafka.metadataV12.api, null, [])).rejects.toThrow('Connection closed');
  });

  it('is ended in an orderly way when nothing is running', async () => {
    const connection = await open();
    await connection.close();
    await eventually(() => expect(ends).toEqual(['ended']));
  });

  it('rejects what waits for an answer when the broker goes away', async () => {
    const connection = await open();
    const waiting = connection.ask(kafka.metadataV12.api, null, []);
    await eventually(() => expect(accepted).toHaveLength(1));
    accepted[0]?.resetAndDestroy();
    await expect(waiting).rejects.toThrow('Connection closed');
    expect(connection.usable).toBe(false);
  });
});
