import { Metrics } from './metrics';

describe('the metrics of a process', () => {
  it('are answered without what cannot be collected', async () => {
    const metrics = new Metrics();
    metrics.counter({ name: 'flatline_counted_total', help: 'x' }).inc();
    metrics.gauge({ name: 'flatline_broken', help: 'x', collect: () => Promise.reject(new Error('away')) });
    metrics.gauge({
      name: 'flatline_thrown',
      help: 'x',
      collect: () => {
        throw new Error('away');
      },
    });
    metrics.gauge({ name: 'flatline_well', help: 'x', collect: (gauge) => gauge.set(3) });
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/^flatline_counted_total 1$/m);
    expect(text).toMatch(/^flatline_well 3$/m);
  });

  it('must have names of ours', () => {
    expect(() => new Metrics().counter({ name: 'pings', help: 'x' })).toThrow(/flatline_/);
  });
});
