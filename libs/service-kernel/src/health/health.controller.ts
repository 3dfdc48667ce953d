import { Controller, Get, Header } from '@nestjs/common';
import { Problem } from '../http/problem';
import { HealthRegistry, type Missing } from './health-registry';

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

function notReady(missing: Missing[]): Problem {
  const sentence = missing.map((each) => `${each.component}: ${each.missing}`).join('; ');
  return new Problem(503, `not ready: ${sentence}`, { extra: { missing }, expected: true });
}
