import { runService } from '@flatline/infrastructure';
import { ManagementApiModule } from './src';

void runService('management-api', () => ({ module: ManagementApiModule }));
