export { createTimers } from './create-timers';
export type { TimersOptions } from './create-timers';
export { TIMERS, TimersUnavailable } from './wake-queue';
export type {
  StartOptions,
  Timers,
  TimersClock,
  TimersLogger,
  WakeCounts,
  WakeEntry,
  WakeQueue,
  WakeQueueName,
} from './wake-queue';
