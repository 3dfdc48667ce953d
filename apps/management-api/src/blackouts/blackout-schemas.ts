import { createZodDto } from 'nestjs-zod';
import { z } from 'zod';
import { instantField } from '../requests/fields';
import { historyPageQuery, nextCursorField } from '../requests/page';

/** A time in which jobs could not reach Flatline. */
export const blackoutSpan = z.object({
  started_at: instantField,
  ended_at: instantField.describe('While it goes on: as far as it is known.'),
});

const blackoutSchema = blackoutSpan.extend({
  affects_project: z
    .boolean()
    .describe(
      'Whether heartbeats of this project could not be pinged; where only a part of Flatline was away, others.',
    ),
});

export const blackoutListSchema = z.object({ blackouts: z.array(blackoutSchema), next_cursor: nextCursorField });
export type BlackoutList = z.input<typeof blackoutListSchema>;

export class BlackoutQueryDto extends createZodDto(historyPageQuery) {}
export class BlackoutListDto extends createZodDto(blackoutListSchema) {}
