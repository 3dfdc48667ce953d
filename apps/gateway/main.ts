import { runGateway } from './src';

void runGateway(process.env);
