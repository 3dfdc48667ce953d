import type { ZodDto } from 'nestjs-zod';
import { z } from 'zod';
import { BlackoutListDto } from '../blackouts/blackout-schemas';
import { ChannelListDto, CreateChannelDto, NewChannelDto } from '../channels/channel-schemas';
import {
  CreateHeartbeatDto,
  HeartbeatDto,
  HeartbeatListDto,
  UpdateHeartbeatDto,
} from '../heartbeats/heartbeat-schemas';
import { IncidentListDto, PingListDto, TransitionListDto } from '../history/history-schemas';
import { CreateProjectDto, NewProjectDto } from '../projects/project-schemas';

/** Every schema the document refers to, under the name it has there. A DTO that is missing here fails the test. */
const COMPONENTS: Readonly<Record<string, ZodDto<z.ZodType>>> = {
  BlackoutList: BlackoutListDto,
  ChannelList: ChannelListDto,
  CreateChannel: CreateChannelDto,
  CreateHeartbeat: CreateHeartbeatDto,
  CreateProject: CreateProjectDto,
  Heartbeat: HeartbeatDto,
  HeartbeatList: HeartbeatListDto,
  IncidentList: IncidentListDto,
  NewChannel: NewChannelDto,
  NewProject: NewProjectDto,
  PingList: PingListDto,
  TransitionList: TransitionListDto,
  UpdateHeartbeat: UpdateHeartbeatDto,
};

const REFERENCE = '#/components/schemas/';

/**
 * The schemas as JSON Schema 2020-12, by zod itself: the generator flattens them to a list of properties, and loses
 * defaults and what may be null.
 *
 * All in their `input` form: that is what requests look like, and answers are the same in both, except that the other
 * form would forbid the fields a later version adds.
 */
export function componentSchemas(): Record<string, unknown> {
  const registry = z.registry<{ id: string }>();
  for (const [id, dto] of Object.entries(COMPONENTS)) registry.add(dto.schema, { id });
  const { schemas } = z.toJSONSchema(registry, { io: 'input', uri: (id) => REFERENCE + id });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _dialect, $id: _id, ...schema }]) => [id, schema]),
  );
}

/** The generator names schemas after classes (`HeartbeatDto_Output`); the document names them after things. */
export function renameReferences<Document>(document: Document): Document {
  const text = JSON.stringify(document).replaceAll(
    /"#\/components\/schemas\/(\w+?)Dto(?:_Output)?"/g,
    `"${REFERENCE}$1"`,
  );
  return JSON.parse(text) as Document;
}
