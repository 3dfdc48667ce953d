import type { Redis } from 'ioredis';

/**
 * Why this Redis must not keep the timers, as a sentence that says what to set, or null. Asks INFO, because many providers
 * forbid CONFIG; asks anew each time, because a server can be replaced by another.
 */
export async function settingsProblem(client: Redis): Promise<string | null> {
  const [persistence, memory] = await Promise.all([client.info('persistence'), client.info('memory')]);
  if (field(persistence, 'aof_enabled') !== '1') {
    return 'Redis forgets the timers when it restarts; set "appendonly yes" there';
  }
  const policy = field(memory, 'maxmemory_policy');
  if (policy !== 'noeviction') {
    return `Redis may throw timers away when its memory is full (${policy}); set "maxmemory-policy noeviction" there`;
  }
  return null;
}

function field(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? 'unknown';
}
