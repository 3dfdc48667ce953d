import { Controller, Get, Query, UseGuards, UsePipes } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ZodResponse } from 'nestjs-zod';
import { BearerGuard } from '../auth/bearer.guard';
import { type Caller, CurrentCaller } from '../auth/caller';
import { RequestPipe } from '../requests/request.pipe';
import { BlackoutListDto, BlackoutQueryDto } from './blackout-schemas';
import { BlackoutsService } from './blackouts.service';

/** When Flatline itself was away. Everybody with a key may know. */
@ApiTags('blackouts')
@Controller('v1/blackouts')
@UseGuards(BearerGuard)
@UsePipes(RequestPipe)
export class BlackoutsController {
  constructor(private readonly blackouts: BlackoutsService) {}

  @Get()
  @ApiOperation({ summary: 'List the times in which jobs could not reach Flatline' })
  @ZodResponse({ status: 200, description: 'Newest first.', type: BlackoutListDto })
  list(@CurrentCaller() caller: Caller, @Query() query: BlackoutQueryDto) {
    return this.blackouts.list(caller.projectId, query);
  }
}
