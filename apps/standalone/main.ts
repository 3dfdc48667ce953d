import 'reflect-metadata';
import { runStandalone } from './src';

void runStandalone(process.env);
