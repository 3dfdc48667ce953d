import { Controller, Get, Header } from '@nestjs/common';
import { HealthRegistry } from './health-registry';
import { notReady } from './not-ready';

/** `/healthz`: the process is alive. `/readyz`: it can do its job, or what is missing. */
@Controller()
export class HealthController {
  constructor(private readonly health: HealthRegistry) {}

  @Get('healthz')
  @Header('cache-control', 'no-store')
  alive(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('readyz')
  @Header('cache-control', 'no-store')
  async ready(): Promise<{ status: 'ready' }> {
    const missing = await this.health.check();
    if (missing.length > 0) throw notReady(missing);
    return { status: 'ready' };
  }
}
