import 'reflect-metadata';
import { runDeadLetters } from './src';

void runDeadLetters(process.argv.slice(2), process.env);
