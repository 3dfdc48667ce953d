export { runAdoptLog } from './run-adopt-log';
