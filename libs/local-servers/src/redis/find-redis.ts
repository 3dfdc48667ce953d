import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';

import { MissingProgram, ProvisioningFailed } from '../errors';
import { oncePerMachine } from '../once-per-machine';
import { findOnPath } from '../programs';
import { runProgram } from '../run-program';

const INSTALL = 'apt-get install -y redis-server';
/** Debian asks this program whether a package may start its service; 101 forbids it. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const FORBID = '#!/bin/sh\nexit 101\n';

/**
 * The redis-server of the PATH. Missing, it is installed where that needs no question: on Debian, by root. Its service
 * is not started. Throws MissingProgram, ProvisioningFailed.
 */
export async function findRedis(onLog: (line: string) => void): Promise<string> {
  const isThere = (): boolean => findOnPath('redis-server') !== null;
  const apt = findOnPath('apt-get');
  if (!isThere() && apt !== null && process.getuid?.() === 0) {
    await oncePerMachine(path.join(tmpdir(), 'flatline-install-redis.lock'), isThere, async () => {
      onLog('Installing the Debian package redis-server; this happens once.');
      await withoutServices(() => install(apt));
    });
  }
  const program = findOnPath('redis-server');
  if (program === null) throw new MissingProgram('redis-server', 'There is no redis-server on the PATH', INSTALL);
  return program;
}

async function install(apt: string): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=120'];
  const commands = [
    [...wait, 'update'],
    [...wait, 'install', '-y', '--no-install-recommends', 'redis-server'],
  ];
  for (const args of commands) {
    const { code, output } = await runProgram(apt, args, env);
    if (code !== 0) throw new ProvisioningFailed(`Redis could not be installed with ${INSTALL}`, output);
  }
}

/** A policy of the machine's owner stays as it is: most images have one that forbids all services. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const isOurs = !fs.existsSync(POLICY_FILE);
  if (isOurs) fs.writeFileSync(POLICY_FILE, FORBID, { mode: 0o755 });
  try {
    await work();
  } finally {
    if (isOurs) fs.rmSync(POLICY_FILE, { force: true });
  }
}
