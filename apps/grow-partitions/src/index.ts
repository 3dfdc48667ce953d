export { runGrowPartitions } from './run-grow-partitions';
