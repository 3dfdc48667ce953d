import { Agent, request, type Server } from 'node:http';
import { connect } from 'node:net';
import { Controller, Get, Module, type OnModuleDestroy } from '@nestjs/common';
import { loadConfig } from '../config/load-config';
import { createKernel, KernelModule } from '../kernel.module';
import { silentLogger } from '../logging/create-logger';
import { startHttpApplication } from './http-application';

let release: () => void = () => undefined;
let entered: () => void = () => undefined;
let isDestroyed = false;

@Controller()
class SlowController {
  @Get('slow')
  async slow() {
    await new Promise<void>((resolve) => {
      release = resolve;
      entered();
    });
    return { isDestroyed };
  }
}

@Module({ controllers: [SlowController] })
class SlowModule implements OnModuleDestroy {
  onModuleDestroy() {
    isDestroyed = true;
  }
}

@Module({})
class RootModule {}

const start = async (env: Record<string, string> = {}) => {
  const kernel = createKernel(loadConfig({ PORT: '0', ...env }), { logger: silentLogger() });
  const root = { module: RootModule, imports: [KernelModule.forRoot(kernel), SlowModule] };
  return { kernel, starting: startHttpApplication(root, kernel) };
};

describe('starting and stopping', () => {
  const agent = new Agent({ keepAlive: true });
  afterAll(() => agent.destroy());

  const get = (port: number, path: string) =>
    new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      request({ port, path, agent }, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode, body }));
      })
        .on('error', reject)
        .end();
    });

  it('finishes what is open, turns away what is new, and waits for no idle connection', async () => {
    const { kernel, starting } = await start();
    const { port } = await starting;
    expect((await get(port, '/healthz')).status).toBe(200);
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const open = get(port, '/slow');
    await inside;
    await get(port, '/healthz');

    const startedAt = performance.now();
    const stopping = kernel.shutdown.run(5_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await expect(get(port, '/healthz')).rejects.toThrow(/ECONNREFUSED|ECONNRESET|hang up/);
    release();
    expect(await open).toEqual({ status: 200, body: '{"isDestroyed":false}' });
    expect(await stopping).toBe(true);
    expect(isDestroyed).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('says when to try again to what comes behind a request that is open', async () => {
    const { kernel, starting } = await start();
    const { app, port } = await starting;
    const server = app.getHttpServer() as Server;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const socket = connect(port, '127.0.0.1');
    let said = '';
    socket.on('data', (chunk) => (said += chunk.toString()));
    const ended = new Promise((resolve) => socket.on('close', resolve));
    socket.write('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n');
    await inside;
    const stopping = kernel.shutdown.run(5_000);
    while (server.listening) await new Promise((resolve) => setTimeout(resolve, 10));
    const seen = new Promise((resolve) => server.once('request', resolve));
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await seen;
    release();
    await ended;
    expect(said).toMatch(/^HTTP\/1\.1 200 [^]*HTTP\/1\.1 503 [^]*retry-after: 2\r\n[^]*"error":"Service Unavailable"/i);
    expect(await stopping).toBe(true);
  });

  it('ends connections that do not end by themselves', async () => {
    const { kernel, starting } = await start();
    const { port } = await starting;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const open = get(port, '/slow').catch((error: Error) => error);
    await inside;
    expect(await kernel.shutdown.run(10_000)).toBe(true);
    expect(await open).toHaveProperty('message');
    release();
  });

  it('fails when the port is taken, and can still be stopped', async () => {
    const first = await start();
    const { port } = await first.starting;
    const second = await start({ PORT: String(port) });
    await expect(second.starting).rejects.toThrow(/EADDRINUSE/);
    expect(await second.kernel.shutdown.run(5_000)).toBe(true);
    expect(await first.kernel.shutdown.run(5_000)).toBe(true);
  });
});
