import { runCluster } from './src';

void runCluster(process.env);
