import { runService } from '@flatline/infrastructure';
import { DeadlineSchedulerModule } from './src';

void runService({
  name: 'deadline-scheduler',
  variables: [],
  needs: { outbox: true, readyWith: ['database', 'event log'], watchesInstallation: true },
  behindGateway: false,
  module: () => DeadlineSchedulerModule.forRoot(),
});
