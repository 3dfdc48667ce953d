import type { OpenAPIObject } from '@nestjs/swagger';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

/** The body of every error: the contract's `error`, and the members of RFC 9457 beside it. */
export const problemSchema = {
  type: 'object',
  required: ['error', 'type', 'title', 'status'],
  properties: {
    error: { type: 'string', description: 'What is wrong, in a sentence.' },
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    errors: {
      type: 'array',
      description: 'Every field that is wrong.',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
} as const;

/** What a ping URL answers with: the shortest body there is, because nobody reads it but a job's log. */
const pingErrorSchema = { type: 'object', required: ['error'], properties: { error: { type: 'string' } } } as const;
const problemReference = { $ref: '#/components/schemas/Problem' };

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: 'The body is not JSON, or the URL is malformed.',
  401: 'The key is missing or not valid.',
  402: 'The quota is reached.',
  403: 'The key may not do this.',
  404: 'Unknown, deleted or somebody else’s.',
  413: 'The body is too large.',
  415: 'The Content-Type is not even the form of one; otherwise any will do.',
  422: 'A field is missing or wrong.',
  503: 'Not possible at the moment; try again after Retry-After seconds.',
};

/** Every error an operation can answer with, by what it is: secured, about one thing, with a body, making something. */
export function addErrorResponses(path: string, method: string, operation: Operation): void {
  const secured = operation.security?.length !== 0;
  const takesBody = operation.requestBody !== undefined;
  const takesQuery = (operation.parameters ?? []).some((each) => 'in' in each && each.in === 'query');
  const statuses = [
    400,
    ...(secured ? [401] : []),
    ...(secured && method === 'post' && takesBody ? [402] : []),
    ...(secured && method !== 'get' ? [403] : []),
    ...(path.includes('{') ? [404] : []),
    ...(secured && method !== 'get' ? [413, 415] : []),
    ...(secured && (takesBody || takesQuery) ? [422] : []),
    503,
  ];
  const responses: Record<string, unknown> = operation.responses;
  for (const status of statuses) {
    responses[status] ??= {
      description: DESCRIPTIONS[status],
      // An answer to HEAD has no body.
      ...(method === 'head'
        ? {}
        : { content: { 'application/json': { schema: secured ? problemReference : pingErrorSchema } } }),
    };
  }
}
