import { type DynamicModule, Inject, Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { EVENT_LOG, type EventLog } from '@flatline/event-log';
import { DatabaseSession } from '@flatline/persistence';
import { KERNEL, type Kernel } from '@flatline/service-kernel';
import { TIMERS, type Timers } from '@flatline/timers';
import { DataSource } from 'typeorm';
import { Notifier } from './notifier';

@Injectable()
class NotifierStarter implements OnApplicationBootstrap {
  constructor(@Inject(Notifier) private readonly notifier: Notifier) {}

  onApplicationBootstrap(): Promise<void> {
    return this.notifier.start();
  }
}

/**
 * Tells people.
 *
 * Needs, from the kernel module's infrastructure: DataSource, DatabaseSession, EVENT_LOG, TIMERS.
 */
@Module({})
export class NotifierModule {
  static forRoot(): DynamicModule {
    return {
      module: NotifierModule,
      providers: [
        NotifierStarter,
        {
          provide: Notifier,
          inject: [KERNEL, DataSource, DatabaseSession, EVENT_LOG, TIMERS],
          useFactory: (
            kernel: Kernel,
            dataSource: DataSource,
            session: DatabaseSession,
            log: EventLog,
            timers: Timers,
          ) => new Notifier({ ...kernel, dataSource, session, log, timers }),
        },
      ],
    };
  }
}
