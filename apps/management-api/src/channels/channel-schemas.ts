import { emailSettings, webhookSettings } from '@flatline/channels';
import { createZodDto } from 'nestjs-zod';
import { z } from 'zod';
import { instantField, nameField } from '../requests/fields';

/** The kinds people can configure. A plain line on the terminal needs no configuration and no channel. */
const SETTINGS = { webhook: webhookSettings, email: emailSettings } as const;
export type ConfigurableKind = keyof typeof SETTINGS;

const KINDS = Object.keys(SETTINGS) as [ConfigurableKind, ...ConfigurableKind[]];
const kindField = z.enum(KINDS, `must be one of: ${KINDS.join(', ')}`);
const NOT_AN_OBJECT = 'must be a JSON object';

/** Kind and settings as the API document shows them: zod cannot express that one depends on the other. */
const kindsWithSettings = Object.entries(SETTINGS).map(([kind, schema]) => {
  const { $schema: _dialect, ...settings } = z.toJSONSchema(schema, { io: 'input' });
  return { properties: { kind: { const: kind }, settings } };
});

const settingsField = z.looseObject({}, NOT_AN_OBJECT);
const kindAndSettings = z.object({ kind: kindField, settings: settingsField });

export const createChannelSchema = z
  .object({ kind: kindField, name: nameField, settings: settingsField }, NOT_AN_OBJECT)
  .superRefine(
    ({ kind, settings }, context) => {
      const parsed = SETTINGS[kind].safeParse(settings);
      for (const issue of parsed.error?.issues ?? []) {
        context.addIssue({ code: 'custom', path: ['settings', ...issue.path], message: settingsMessage(issue) });
      }
    },
    // Also when the name is wrong: an answer lists every problem.
    { when: ({ value }) => kindAndSettings.safeParse(value).success },
  )
  .meta({ oneOf: kindsWithSettings });
export type CreateChannel = z.output<typeof createChannelSchema>;

function settingsMessage(issue: z.core.$ZodIssue): string {
  return issue.message.startsWith('Invalid input') ? 'is required and must be a string' : issue.message;
}

/** The settings a kind knows; everything else is dropped. Throws for what the schema above would not have let in. */
export function settingsOf({ kind, settings }: CreateChannel): Record<string, unknown> {
  return SETTINGS[kind].parse(settings);
}

const channelFields = {
  id: z.uuid(),
  kind: kindField,
  name: z.string(),
  settings: z.looseObject({}),
  created_at: instantField,
};

const channelSchema = z.object(channelFields);
export type ChannelView = z.input<typeof channelSchema>;

const newChannelSchema = z.object({
  ...channelFields,
  secret: z.string().optional().describe('The key that signs a webhook (Standard Webhooks). Shown this once.'),
});
export type NewChannelView = z.input<typeof newChannelSchema>;

export const channelListSchema = z.object({ channels: z.array(channelSchema) });

export class CreateChannelDto extends createZodDto(createChannelSchema) {}
export class NewChannelDto extends createZodDto(newChannelSchema) {}
export class ChannelListDto extends createZodDto(channelListSchema) {}
