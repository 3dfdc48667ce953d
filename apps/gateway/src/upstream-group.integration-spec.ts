import { Metrics, silentLogger } from '@flatline/service-kernel';
import { eventually } from '@flatline/test-kit';
import { GatewayMetrics } from './gateway-metrics';
import { TestService } from './test-service';
import { UpstreamGroup } from './upstream-group';

describe('one name for many processes', () => {
  let addresses: string[] | Error = [];
  const services: TestService[] = [];
  let group: UpstreamGroup;

  beforeAll(async () => {
    const first = await TestService.start('one');
    services.push(first, await TestService.start('two', { port: first.port, host: '127.0.0.2' }));
    addresses = ['127.0.0.1'];
    group = new UpstreamGroup({
      name: 'ingest',
      urls: [`http://ingest.internal:${first.port}`],
      answeredWithinMs: 1_000,
      logger: silentLogger(),
      metrics: new GatewayMetrics(new Metrics(), () => []),
      addressesOf: async () => {
        if (addresses instanceof Error) throw addresses;
        return addresses;
      },
    });
    await group.start();
  });
  afterAll(async () => {
    await group.close();
    await Promise.all(services.map((service) => service.kill()));
  });

  /** Who would get the next requests. */
  const picked = (): string[] => [1, 2, 3, 4].map(() => new URL(group.pick(new Set())!.origin).hostname).sort();

  it('follows the addresses that the name has: a process that is added gets its share, one that is gone gets none', async () => {
    await eventually(() => expect(group.missing()).toBeNull());
    expect(picked()).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1']);
    addresses = ['127.0.0.1', '127.0.0.2'];
    await eventually(() => expect(group.readyCount).toBe(2));
    expect(picked()).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.2']);
    addresses = ['127.0.0.2'];
    await eventually(() => expect(group.size).toBe(1));
    expect(picked()).toEqual(['127.0.0.2', '127.0.0.2', '127.0.0.2', '127.0.0.2']);
  });

  it('goes on with those it knows while the name cannot be looked up', async () => {
    const known = group.size;
    let asked = 0;
    addresses = Object.defineProperty(new Error('no answer'), 'code', { get: () => ((asked += 1), 'EAI_AGAIN') });
    await eventually(() => expect(asked).toBeGreaterThan(0));
    expect(group.size).toBe(known);
    expect(group.missing()).toBeNull();
  });
});
