import { runService } from '@flatline/infrastructure';
import { NotifierModule } from './src';

void runService({
  name: 'notifier',
  variables: [],
  needs: { outbox: false, readyWith: ['database', 'event log'], watchesInstallation: false },
  behindGateway: false,
  module: () => NotifierModule.forRoot(),
});
