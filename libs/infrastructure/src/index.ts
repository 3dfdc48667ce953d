export { openInfrastructure, type Infrastructure } from './open-infrastructure';
export { runService } from './run-service';
