export { runCluster } from './run-cluster';
