import { Readable } from 'node:stream';
import fc from 'fast-check';
import { Gathered } from './gathered';

async function through(chunks: readonly Buffer[]): Promise<Buffer[]> {
  const passed: Buffer[] = [];
  for await (const chunk of Readable.from(chunks).pipe(new Gathered())) passed.push(chunk as Buffer);
  return passed;
}

describe('gathered chunks', () => {
  it('are the same bytes', async () => {
    const chunk = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      fc.uint8Array({ minLength: 4_000, maxLength: 5_000 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 12 }), async (parts) => {
        const chunks = parts.map((part) => Buffer.from(part));
        expect(Buffer.concat(await through(chunks))).toEqual(Buffer.concat(chunks));
      }),
      { numRuns: 15 },
    );
  });

  it('are few when many small ones came in one go', async () => {
    const gathered = new Gathered();
    for (let byte = 0; byte < 10_000; byte += 1) gathered.write(Buffer.from('x'));
    gathered.end();
    const passed: Buffer[] = [];
    for await (const chunk of gathered) passed.push(chunk as Buffer);
    expect(Buffer.concat(passed)).toHaveLength(10_000);
    expect(passed.length).toBeLessThan(10);
  });

  it('hold the sender back while nobody reads, and come when somebody does', async () => {
    const gathered = new Gathered();
    let written = 0;
    for (let tick = 0; tick < 200 && !gathered.writableNeedDrain; tick += 1) {
      gathered.write(Buffer.alloc(1_000));
      written += 1_000;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(gathered.writableNeedDrain).toBe(true);
    expect(written).toBeLessThanOrEqual(100_000);
    gathered.end();
    let read = 0;
    for await (const chunk of gathered) read += (chunk as Buffer).length;
    expect(read).toBe(written);
  });

  it('do not wait for more than came', async () => {
    const gathered = new Gathered();
    gathered.write(Buffer.from('half'));
    const [chunk] = await new Promise<[Buffer]>((resolve) =>
      gathered.once('data', (...passed: [Buffer]) => resolve(passed)),
    );
    expect(chunk.toString()).toBe('half');
  });
});
