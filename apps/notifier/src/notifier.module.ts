import { type DynamicModule, Inject, Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { EVENT_LOG, type EventLog } from '@flatline/event-log';
import { DATABASE_CLOCK, type DatabaseClock, DatabaseSession } from '@flatline/persistence';
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
 * Needs, from the kernel module's infrastructure: DATABASE_CLOCK, DataSource, DatabaseSession, EVENT_LOG, TIMERS. It goes
 * by the clock of the database, because one notifier makes due what another one delivers.
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
          inject: [KERNEL, DATABASE_CLOCK, DataSource, DatabaseSession, EVENT_LOG, TIMERS],
          useFactory: (
            kernel: Kernel,
            clock: DatabaseClock,
            dataSource: DataSource,
            session: DatabaseSession,
            log: EventLog,
            timers: Timers,
          ) => new Notifier({ ...kernel, clock, dataSource, session, log, timers }),
        },
      ],
    };
  }
}
