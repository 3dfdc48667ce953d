import { runService } from '@flatline/infrastructure';
import { DeadlineSchedulerModule } from './src';

void runService('deadline-scheduler', () => DeadlineSchedulerModule.forRoot());
