export { DeadlineSchedulerModule } from './deadline-scheduler.module';
