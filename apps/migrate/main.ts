import 'reflect-metadata';
import { runMigrate } from './src';

void runMigrate(process.env);
