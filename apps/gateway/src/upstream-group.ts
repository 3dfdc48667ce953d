import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Logger } from '@flatline/service-kernel';
import type { GatewayMetrics } from './gateway-metrics';
import { leastBusy } from './least-busy';
import { Upstream } from './upstream';

/** How often names are looked up again, so that processes may be added and removed under one name. */
const RESOLVE_EVERY_MS = 2_000;
/** How often every process is asked whether it is ready. */
const PROBE_EVERY_MS = 500;

export interface UpstreamGroupOptions {
  /** The service, as metrics and readiness call it. */
  readonly name: string;
  /** `http://host:port`; a name stands for all its addresses. */
  readonly urls: readonly string[];
  /** From the end of a request to the beginning of its answer. */
  readonly answeredWithinMs: number;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
  /** Default: the system's resolver. */
  readonly addressesOf?: (hostname: string) => Promise<readonly string[]>;
}

/** All processes of one service, as many as its names have addresses at the moment. */
export class UpstreamGroup {
  readonly name: string;
  readonly answeredWithinMs: number;
  readonly metrics: GatewayMetrics;
  private readonly members = new Map<string, Upstream>();
  private readonly timers: NodeJS.Timeout[] = [];
  private turn = 0;
  private unresolved: string | null = null;
  private isResolving = false;

  constructor(private readonly options: UpstreamGroupOptions) {
    this.name = options.name;
    this.answeredWithinMs = options.answeredWithinMs;
    this.metrics = options.metrics;
  }

  get size(): number {
    return this.members.size;
  }

  get readyCount(): number {
    return [...this.members.values()].filter(({ isReady }) => isReady).length;
  }

  /** Looks the names up and goes on doing so. A name that is not known (yet) is no error. */
  async start(): Promise<void> {
    await this.resolve();
    this.timers.push(
      setInterval(() => void this.resolve(), RESOLVE_EVERY_MS),
      setInterval(() => void this.probeAll(), PROBE_EVERY_MS),
    );
    void this.probeAll();
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await Promise.all([...this.members.values()].map((member) => member.destroy()));
  }

  /** The one to send the next request to, of those that were not tried yet; null when there is none. */
  pick(tried: ReadonlySet<Upstream>): Upstream | null {
    this.turn += 1;
    return leastBusy([...this.members.values()], tried, this.turn);
  }

  /** Null when somebody is ready, otherwise what is missing. */
  missing(): string | null {
    const members = [...this.members.values()];
    if (members.length === 0) return this.unresolved ?? 'no process is known';
    if (members.some(({ isReady }) => isReady)) return null;
    const reasons = [...new Set(members.map(({ missing }) => missing))];
    return `none of ${members.length} is ready (${reasons.join('; ')})`;
  }

  private async probeAll(): Promise<void> {
    await Promise.all([...this.members.values()].map((member) => member.probe()));
  }

  /** Brings the members in line with what the names stand for now. A look-up that fails changes nothing. */
  private async resolve(): Promise<void> {
    if (this.isResolving) return;
    this.isResolving = true;
    try {
      const origins = new Set((await Promise.all(this.options.urls.map((url) => this.originsOf(url)))).flat());
      this.unresolved = null;
      for (const origin of origins) if (!this.members.has(origin)) this.join(origin);
      for (const [origin, member] of this.members) if (!origins.has(origin)) this.leave(origin, member);
    } catch (error) {
      this.unresolved = `a name cannot be resolved (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
    } finally {
      this.isResolving = false;
    }
  }

  private async originsOf(url: string): Promise<string[]> {
    const { hostname, port } = new URL(url);
    const bare = hostname.replace(/^\[|\]$/g, '');
    const addresses = isIP(bare) ? [bare] : await (this.options.addressesOf ?? systemAddresses)(bare);
    return addresses.map((each) => `http://${isIP(each) === 6 ? `[${each}]` : each}:${port || '80'}`);
  }

  private join(origin: string): void {
    const { name, logger } = this.options;
    logger.info({ of: name, upstream: origin }, 'an upstream joined');
    const member = new Upstream(origin, logger);
    this.members.set(origin, member);
    void member.probe();
  }

  private leave(origin: string, member: Upstream): void {
    this.options.logger.info({ of: this.name, upstream: origin }, 'an upstream left');
    this.members.delete(origin);
    void member.close();
  }
}

async function systemAddresses(hostname: string): Promise<string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}
