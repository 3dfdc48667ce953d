import './src/young-generation'; // first: it is about what the others allocate
import 'reflect-metadata';
import { runStandalone } from './src';

void runStandalone(process.env);
