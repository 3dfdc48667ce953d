import 'reflect-metadata';
import { runMigrate } from './src';

void runMigrate(process.argv.slice(2), process.env);
