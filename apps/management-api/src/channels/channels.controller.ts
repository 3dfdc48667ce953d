import { Body, Controller, Delete, Get, HttpCode, Param, Post, UseGuards, UsePipes } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ZodResponse } from 'nestjs-zod';
import { BearerGuard, RequiresScope } from '../auth/bearer.guard';
import { type Caller, CurrentCaller } from '../auth/caller';
import { IdPipe } from '../requests/ids';
import { RequestPipe } from '../requests/request.pipe';
import { ChannelListDto, CreateChannelDto, NewChannelDto } from './channel-schemas';
import { ChannelsService } from './channels.service';

/** Where people of the caller's project are told that something is down. */
@ApiTags('channels')
@Controller('v1/channels')
@UseGuards(BearerGuard)
@UsePipes(RequestPipe)
export class ChannelsController {
  constructor(private readonly channels: ChannelsService) {}

  @Get()
  @ApiOperation({ summary: 'List all channels' })
  @ZodResponse({ status: 200, description: 'In the order they were created.', type: ChannelListDto })
  list(@CurrentCaller() caller: Caller) {
    return this.channels.list(caller.projectId);
  }

  @Post()
  @RequiresScope('write')
  @ApiOperation({ summary: 'Create a channel' })
  @ZodResponse({ status: 201, description: 'The channel, with its signing secret.', type: NewChannelDto })
  create(@CurrentCaller() caller: Caller, @Body() body: CreateChannelDto) {
    return this.channels.create(caller.projectId, body);
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresScope('write')
  @ApiOperation({ summary: 'Delete a channel' })
  async delete(@CurrentCaller() caller: Caller, @Param('id', IdPipe) id: string): Promise<void> {
    await this.channels.delete(caller.projectId, id);
  }
}
