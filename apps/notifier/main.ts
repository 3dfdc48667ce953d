import { runService } from '@flatline/infrastructure';
import { NotifierModule } from './src';

void runService({
  name: 'notifier',
  variables: [],
  needs: { outbox: false, readyWith: ['database', 'event log'] },
  behindGateway: false,
  module: () => NotifierModule.forRoot(),
});
