export { runGateway } from './run-gateway';
export { startGateway } from './gateway';
