import { runService } from '@flatline/infrastructure';
import { IngestModule } from './src';

void runService('ingest', ({ logger }) =>
  IngestModule.forRoot({
    onFenced: () => {
      logger.fatal('another process took over the identity of this ingest');
      process.exit(1);
    },
  }),
);
