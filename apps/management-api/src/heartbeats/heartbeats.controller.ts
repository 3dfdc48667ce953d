import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  UseGuards,
  UsePipes,
} from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ZodResponse } from 'nestjs-zod';
import { BearerGuard, RequiresScope } from '../auth/bearer.guard';
import { type Caller, CurrentCaller } from '../auth/caller';
import { IdPipe } from '../requests/ids';
import { RequestPipe } from '../requests/request.pipe';
import { AcknowledgedPings } from './acknowledged-pings';
import {
  CreateHeartbeatDto,
  HeartbeatDto,
  HeartbeatListDto,
  ListQueryDto,
  UpdateHeartbeatDto,
} from './heartbeat-schemas';
import { HeartbeatsService } from './heartbeats.service';

/** Heartbeats of the caller's project. Pausing and resuming speak both dialects: a path each, and PATCH of `status`. */
@ApiTags('heartbeats')
@Controller('v1/heartbeats')
@UseGuards(BearerGuard)
@UsePipes(RequestPipe)
export class HeartbeatsController {
  constructor(
    private readonly heartbeats: HeartbeatsService,
    private readonly acknowledged: AcknowledgedPings,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List all heartbeats, or a page of them' })
  @ZodResponse({ status: 200, description: 'In the order they were created.', type: HeartbeatListDto })
  list(@CurrentCaller() caller: Caller, @Query() query: ListQueryDto) {
    return this.heartbeats.list(caller.projectId, query);
  }

  @Post()
  @RequiresScope('write')
  @ApiOperation({ summary: 'Create a heartbeat' })
  @ZodResponse({ status: 201, description: 'It can be pinged at once.', type: HeartbeatDto })
  create(@CurrentCaller() caller: Caller, @Body() body: CreateHeartbeatDto) {
    return this.heartbeats.create(caller.projectId, body);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a heartbeat' })
  @ZodResponse({ status: 200, description: 'The heartbeat.', type: HeartbeatDto })
  async get(@CurrentCaller() caller: Caller, @Param('id', IdPipe) id: string) {
    await this.acknowledged.applied(id);
    return this.heartbeats.get(caller.projectId, id);
  }

  @Patch(':id')
  @RequiresScope('write')
  @ApiOperation({ summary: 'Change a heartbeat, pause or resume it' })
  @ZodResponse({ status: 200, description: 'The heartbeat as it is now.', type: HeartbeatDto })
  update(@CurrentCaller() caller: Caller, @Param('id', IdPipe) id: string, @Body() body: UpdateHeartbeatDto) {
    return this.heartbeats.change(caller.projectId, id, {
      name: body.name,
      intervalSecs: body.interval_secs,
      expression: body.schedule,
      timezone: body.timezone,
      graceSecs: body.grace_secs,
      alertAfterMisses: body.alert_after_misses,
      paused: body.status === undefined ? undefined : body.status === 'paused',
    });
  }

  @Post(':id/pause')
  @HttpCode(200)
  @RequiresScope('write')
  @ApiOperation({ summary: 'Pause a heartbeat: nothing is expected of it' })
  @ZodResponse({ status: 200, description: 'The paused heartbeat.', type: HeartbeatDto })
  pause(@CurrentCaller() caller: Caller, @Param('id', IdPipe) id: string) {
    return this.heartbeats.change(caller.projectId, id, { paused: true });
  }

  @Post(':id/resume')
  @HttpCode(200)
  @RequiresScope('write')
  @ApiOperation({
    summary: 'Resume a paused heartbeat: the next ping is expected one interval from now, or at the next match',
  })
  @ZodResponse({ status: 200, description: 'The resumed heartbeat.', type: HeartbeatDto })
  resume(@CurrentCaller() caller: Caller, @Param('id', IdPipe) id: string) {
    return this.heartbeats.change(caller.projectId, id, { paused: false });
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresScope('write')
  @ApiOperation({ summary: 'Delete a heartbeat and its history; its token is dead for ever' })
  async delete(@CurrentCaller() caller: Caller, @Param('id', IdPipe) id: string): Promise<void> {
    await this.heartbeats.delete(caller.projectId, id);
  }
}
