/**
 * Who may import whom. One table, read by @nx/enforce-module-boundaries; tags stand in each project.json.
 *
 *   domain <- events <- kernel <- adapters <- infrastructure <- apps <- standalone        test-kit: seen by tests alone
 *
 * Tests may use the test kit and development packages besides what the code they test may use.
 */
import { readFileSync } from 'node:fs';

const { devDependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/** `import type` of these in production code is erased; a value import would be missing from an image. */
const developmentPackages = Object.keys(devDependencies).filter((name) => !name.startsWith('@types/'));

const nest = ['@nestjs/*', 'nestjs-*'];
const kafka = ['kafkajs', '@platformatic/kafka'];
const layers = [
  { layer: 'domain', sees: ['domain'], allowed: ['croner'] },
  { layer: 'events', sees: ['domain', 'events'], banned: [...nest, 'typeorm', ...kafka, 'bullmq', 'ioredis', 'pg'] },
  { layer: 'kernel', sees: ['domain', 'kernel'], banned: [...kafka, 'bullmq', 'typeorm', 'ioredis', 'pg'] },
  { layer: 'adapter', sees: ['domain', 'events', 'kernel'], banned: [] },
  {
    layer: 'infrastructure',
    sees: ['domain', 'events', 'kernel', 'adapter'],
    banned: [...kafka, 'bullmq', 'ioredis', 'pg'],
  },
  {
    layer: 'app',
    sees: ['domain', 'events', 'kernel', 'adapter', 'infrastructure'],
    banned: [...kafka, 'bullmq', 'ioredis'],
  },
  {
    layer: 'standalone',
    sees: ['domain', 'events', 'kernel', 'adapter', 'infrastructure', 'app'],
    banned: [...kafka, 'bullmq', 'ioredis'],
  },
  { layer: 'test-kit', sees: ['domain', 'events', 'kernel', 'adapter', 'infrastructure', 'test-kit'], banned: [] },
];

/** Each technology has one home. */
const adapters = [
  { scope: 'event-log', banned: ['bullmq', 'ioredis', 'typeorm', ...nest] },
  { scope: 'timers', banned: [...kafka, 'typeorm', ...nest] },
  { scope: 'persistence', banned: [...kafka, 'bullmq', 'ioredis'] },
  { scope: 'channels', banned: [...kafka, 'bullmq', 'ioredis', 'typeorm', 'pg'] },
  { scope: 'embedded-postgres', banned: [...kafka, 'bullmq', 'ioredis', 'typeorm', ...nest] },
  { scope: 'local-servers', banned: [...kafka, 'bullmq', 'ioredis', 'typeorm', 'pg', ...nest] },
];

/**
 * Options for @nx/enforce-module-boundaries.
 * @param {{ tests?: boolean, mayImportApps?: boolean }} options tests: the file never ships; mayImportApps: standalone
 */
export function boundaries({ tests = false, mayImportApps = false } = {}) {
  const production = ({ layer, sees, allowed, banned }) => ({
    sourceTag: `layer:${layer}`,
    onlyDependOnLibsWithTags: sees.map((name) => `layer:${name}`),
    ...(allowed ? { allowedExternalImports: allowed } : {}),
    bannedExternalImports: [...(banned ?? []), ...(layer === 'test-kit' ? [] : developmentPackages)],
  });
  const inTests = ({ layer, sees }) => ({
    sourceTag: `layer:${layer}`,
    onlyDependOnLibsWithTags: [...sees, 'test-kit'].map((name) => `layer:${name}`),
  });
  return {
    // Nx refuses every import of an application; standalone is the one that is made of them.
    allow: mayImportApps ? ['@flatline/app-*'] : [],
    banTransitiveDependencies: true,
    depConstraints: [
      ...layers.map(tests ? inTests : production),
      ...(tests
        ? []
        : adapters.map(({ scope, banned }) => ({ sourceTag: `scope:${scope}`, bannedExternalImports: banned }))),
    ],
  };
}
