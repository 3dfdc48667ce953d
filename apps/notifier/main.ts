import { runService } from '@flatline/infrastructure';
import { NotifierModule } from './src';

void runService('notifier', () => NotifierModule.forRoot());
