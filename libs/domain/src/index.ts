export * from './heartbeat';
export { CRON_NICKNAMES, cronRefusal, spelledTimezone, UnusableSchedule, type CronRefusal } from './cron-expression';
export * from './schedule';
export * from './absences';
export * from './deadline-rule';
export * from './watermark';
export * from './shard';
export * from './ping-token';
export * from './runtime-check';
