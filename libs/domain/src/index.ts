export * from './heartbeat';
export * from './schedule';
export * from './absences';
export * from './deadline-rule';
export * from './watermark';
export * from './shard';
export * from './ping-token';
export * from './runtime-check';
