import { z } from 'zod';

const ADDRESS_MAX_LENGTH = 254;

/** One mail address; several people are several channels, so that each has a delivery of their own. */
export const emailSettings = z.object({
  address: z
    .email('must be one e-mail address')
    .max(ADDRESS_MAX_LENGTH)
    .meta({ examples: ['you@example.org'] }),
});
export type EmailSettings = z.infer<typeof emailSettings>;
