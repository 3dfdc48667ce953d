import { runService } from '@flatline/infrastructure';
import { ManagementApiModule } from './src';

void runService({
  name: 'management-api',
  variables: ['PING_TOKEN_KEYS'],
  // While the log is away it answers all the same: what it has to tell waits in the outbox.
  needs: { outbox: true, readyWith: ['database'], watchesInstallation: false },
  behindGateway: true,
  module: () => ({ module: ManagementApiModule }),
});
