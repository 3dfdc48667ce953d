import { Controller, Get, Param, Query, UseGuards, UsePipes } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ZodResponse } from 'nestjs-zod';
import { BearerGuard } from '../auth/bearer.guard';
import { type Caller, CurrentCaller } from '../auth/caller';
import { AcknowledgedPings } from '../heartbeats/acknowledged-pings';
import { HeartbeatsService } from '../heartbeats/heartbeats.service';
import { IdPipe } from '../requests/ids';
import { RequestPipe } from '../requests/request.pipe';
import { HistoryQueryDto, IncidentListDto, PingListDto, TransitionListDto } from './history-schemas';
import { HistoryService } from './history.service';

/** Pings, incidents and all that became of one heartbeat, newest first, in pages. */
@ApiTags('history')
@Controller('v1/heartbeats/:id')
@UseGuards(BearerGuard)
@UsePipes(RequestPipe)
export class HistoryController {
  constructor(
    private readonly heartbeats: HeartbeatsService,
    private readonly history: HistoryService,
    private readonly acknowledged: AcknowledgedPings,
  ) {}

  @Get('pings')
  @ApiOperation({ summary: 'List the pings of a heartbeat' })
  @ZodResponse({ status: 200, description: 'Newest first.', type: PingListDto })
  async pings(@CurrentCaller() caller: Caller, @Param('id', IdPipe) id: string, @Query() query: HistoryQueryDto) {
    await this.heartbeats.assertExists(caller.projectId, id);
    await this.acknowledged.applied(id);
    return this.history.pings(id, query);
  }

  @Get('transitions')
  @ApiOperation({ summary: 'List what became of a heartbeat: why people were told, or were not' })
  @ZodResponse({ status: 200, description: 'Newest first.', type: TransitionListDto })
  async transitions(@CurrentCaller() caller: Caller, @Param('id', IdPipe) id: string, @Query() query: HistoryQueryDto) {
    await this.heartbeats.assertExists(caller.projectId, id);
    await this.acknowledged.applied(id);
    return this.history.transitions(id, query);
  }

  @Get('incidents')
  @ApiOperation({ summary: 'List the incidents of a heartbeat' })
  @ZodResponse({ status: 200, description: 'Newest first.', type: IncidentListDto })
  async incidents(@CurrentCaller() caller: Caller, @Param('id', IdPipe) id: string, @Query() query: HistoryQueryDto) {
    await this.heartbeats.assertExists(caller.projectId, id);
    await this.acknowledged.applied(id);
    return this.history.incidents(id, query);
  }
}
