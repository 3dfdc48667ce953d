export { runMigrate } from './run-migrate';
