import 'reflect-metadata';
import { runAdoptLog } from './src';

void runAdoptLog(process.argv.slice(2), process.env);
