import { type FieldError, Problem } from '@flatline/service-kernel';
import type { z } from 'zod';

/** What is wrong with a field, for each field once: the first complaint about it is the one to mend first. */
export function fieldErrorsOf(error: z.ZodError, whole = 'body'): FieldError[] {
  const byField = new Map<string, string>();
  for (const issue of error.issues) {
    const field = issue.path.map(String).join('.') || whole;
    if (!byField.has(field)) byField.set(field, issue.message);
  }
  return [...byField].map(([field, message]) => ({ field, message }));
}

/** The 422 of a request that does not fit its schema. */
export function invalidRequest(error: z.ZodError): Problem {
  return Problem.invalid(fieldErrorsOf(error));
}
