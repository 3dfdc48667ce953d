export { connectDatabase, requireDurability, requireInstallation } from './open-database';
export { openEventLog } from './open-event-log';
export { type Infrastructure, type InfrastructureNeeds, openInfrastructure } from './open-infrastructure';
export { startOperatorWatch } from './operator/operator-watch';
export { runService, type Service } from './run-service';
export { ServerAway } from './server-away';
export { startupProblem } from './startup-problem';
export { untilServersAnswer } from './until-servers-answer';
export * from './run-command';
