import { Body, Controller, Post, UseGuards, UsePipes } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Problem } from '@flatline/service-kernel';
import { ZodResponse } from 'nestjs-zod';
import { BearerGuard, RequiresScope } from '../auth/bearer.guard';
import { type Caller, CurrentCaller } from '../auth/caller';
import { RequestPipe } from '../requests/request.pipe';
import { CreateProjectDto, NewProjectDto } from './project-schemas';
import { ProjectsService } from './projects.service';

/** Tenants, made by the administrator of the instance alone. */
@ApiTags('projects')
@Controller('v1/projects')
@UseGuards(BearerGuard)
@UsePipes(RequestPipe)
export class ProjectsController {
  constructor(private readonly projects: ProjectsService) {}

  @Post()
  @RequiresScope('admin')
  @ApiOperation({ summary: 'Create a project and its first key (with the key of the instance administrator)' })
  @ZodResponse({ status: 201, description: 'The project and its key.', type: NewProjectDto })
  create(@CurrentCaller() caller: Caller, @Body() body: CreateProjectDto) {
    if (!caller.instanceAdmin) throw new Problem(403, 'forbidden');
    return this.projects.create(body.name);
  }
}
