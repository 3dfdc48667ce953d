/** docs/openapi.json: what `/openapi.json` answers, from the same builder, without a server or a database. */
import { compiled, table } from './writing.mjs';

export async function openApiDocument() {
  const { createHttpApplication, createKernel, KernelModule, loadConfig, silentLogger } = compiled(
    'libs/service-kernel/src/index',
  );
  const { EVENT_LOG } = compiled('libs/event-log/src/index');
  const { DATABASE_CLOCK, DefinitionAnnouncer } = compiled('libs/persistence/src/index');
  const { ManagementApiModule } = compiled('apps/management-api/src/index');
  const { OpenApiDocument } = compiled('apps/management-api/src/openapi/openapi-document');
  const { DataSource } = await import('typeorm');

  class Root {}
  const config = loadConfig({ PING_TOKEN_KEYS: '00'.repeat(32) });
  const kernel = createKernel(config, { logger: silentLogger() });
  const nothing = [DATABASE_CLOCK, DataSource, DefinitionAnnouncer, EVENT_LOG].map((provide) => ({
    provide,
    useValue: {},
  }));
  const root = { module: Root, imports: [KernelModule.forRoot(kernel, nothing), ManagementApiModule] };
  const app = await createHttpApplication(root, kernel);
  await app.init();
  const document = app.get(OpenApiDocument, { strict: false }).get();
  await app.close();
  return document;
}

/** Every route in one line, for the README. */
export function routesSection({ paths }) {
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { summary, responses, security }]) => [
      `\`${method.toUpperCase()} ${path}\``,
      summary,
      Object.keys(responses).find((status) => status.startsWith('2')),
      security?.length === 0 ? 'the token' : 'key',
    ]),
  );
  return table(['route', 'what it does', 'answers', 'needs'], rows);
}
