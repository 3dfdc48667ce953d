import { type ArgumentMetadata, Injectable } from '@nestjs/common';
import { createZodValidationPipe } from 'nestjs-zod';
import type { z } from 'zod';
import { invalidRequest } from './field-errors';

const ZodPipe = createZodValidationPipe({ createValidationException: (error) => invalidRequest(error as z.ZodError) });

/**
 * Parses bodies and queries by the schema of their DTO; unknown fields are stripped. A body that was not sent is an
 * empty object, so that the answer names the fields that are missing.
 */
@Injectable()
export class RequestPipe extends ZodPipe {
  override transform(value: unknown, metadata: ArgumentMetadata): unknown {
    return super.transform(metadata.type === 'body' && value === undefined ? {} : value, metadata);
  }
}
