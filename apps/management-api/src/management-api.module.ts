import { Module } from '@nestjs/common';
import { ApiKeys } from './auth/api-keys.service';
import { BlackoutsController } from './blackouts/blackouts.controller';
import { BlackoutsService } from './blackouts/blackouts.service';
import { ChannelsController } from './channels/channels.controller';
import { ChannelsService } from './channels/channels.service';
import { AcknowledgedPings } from './heartbeats/acknowledged-pings';
import { HeartbeatStore } from './heartbeats/heartbeat-store';
import { HeartbeatsController } from './heartbeats/heartbeats.controller';
import { HeartbeatsService } from './heartbeats/heartbeats.service';
import { HistoryController } from './history/history.controller';
import { HistoryService } from './history/history.service';
import { DOCUMENTED_MODULE, OpenApiDocument } from './openapi/openapi-document';
import { OpenApiController } from './openapi/openapi.controller';
import { ProjectsController } from './projects/projects.controller';
import { ProjectsService } from './projects/projects.service';

/**
 * The REST API people and their tools use: heartbeats, their history, channels, projects.
 *
 * Needs, from the kernel module's infrastructure: DataSource, DefinitionAnnouncer, EVENT_LOG. The events it writes into the
 * outbox are published by whoever runs the relay.
 */
@Module({
  controllers: [
    HeartbeatsController,
    HistoryController,
    BlackoutsController,
    ChannelsController,
    ProjectsController,
    OpenApiController,
  ],
  providers: [
    ApiKeys,
    AcknowledgedPings,
    HeartbeatStore,
    HeartbeatsService,
    HistoryService,
    BlackoutsService,
    ChannelsService,
    ProjectsService,
    OpenApiDocument,
    { provide: DOCUMENTED_MODULE, useFactory: () => ManagementApiModule },
  ],
})
export class ManagementApiModule {}
