import 'reflect-metadata';
import { runGrowPartitions } from './src';

void runGrowPartitions(process.argv.slice(2), process.env);
