import { type DynamicModule, Inject, Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { EVENT_LOG, type EventLog } from '@flatline/event-log';
import { type Kernel, KERNEL } from '@flatline/service-kernel';
import { TIMERS, type Timers } from '@flatline/timers';
import { DataSource } from 'typeorm';
import { DeadlineScheduler } from './deadline-scheduler';

@Injectable()
class DeadlineSchedulerStarter implements OnApplicationBootstrap {
  constructor(@Inject(DeadlineScheduler) private readonly scheduler: DeadlineScheduler) {}

  onApplicationBootstrap(): Promise<void> {
    return this.scheduler.start();
  }
}

/**
 * Judges deadlines.
 *
 * Needs, from the kernel module's infrastructure: DataSource, EVENT_LOG, TIMERS.
 */
@Module({})
export class DeadlineSchedulerModule {
  static forRoot(): DynamicModule {
    return {
      module: DeadlineSchedulerModule,
      providers: [
        DeadlineSchedulerStarter,
        {
          provide: DeadlineScheduler,
          inject: [KERNEL, DataSource, EVENT_LOG, TIMERS],
          useFactory: (kernel: Kernel, dataSource: DataSource, log: EventLog, timers: Timers) =>
            new DeadlineScheduler({ ...kernel, dataSource, log, timers }),
        },
      ],
    };
  }
}
