import { runService } from '@flatline/infrastructure';
import { endBecause } from '@flatline/service-kernel';
import { IngestModule } from './src';

void runService({
  name: 'ingest',
  variables: ['PING_TOKEN_KEYS'],
  // Its directory follows Postgres and stays as it is while that is away; pings need the log alone.
  needs: { outbox: false, readyWith: ['event log'], watchesInstallation: false },
  behindGateway: true,
  module: (kernel) =>
    IngestModule.forRoot({
      onFenced: () => endBecause(kernel, 'another process took over the identity of this ingest'),
      onStuck: (reason) => endBecause(kernel, reason),
    }),
});
