import type { OpenAPIObject } from '@nestjs/swagger';

type PathItem = OpenAPIObject['paths'][string];

const token = {
  name: 'token',
  in: 'path',
  required: true,
  description: 'The token of the heartbeat; it is the only credential.',
  schema: { type: 'string' },
} as const;

const pong = {
  description: 'The ping is stored.',
  headers: {
    'Ping-Id': { description: 'The id of this ping in the history.', schema: { type: 'string' as const } },
    'Ping-Body-Limit': { description: 'Bytes of a body that are kept.', schema: { type: 'string' as const } },
  },
  content: {
    'application/json': {
      schema: {
        type: 'object' as const,
        required: ['status', 'id'],
        properties: { status: { type: 'string' as const, enum: ['ok', 'paused'] }, id: { type: 'string' as const } },
      },
    },
  },
};

/** The ping URL is no controller's: ingest serves it as a plain route. Here it stands for the reader of the API. */
function pingOperation(method: 'get' | 'head' | 'post') {
  const { content, ...headersOnly } = pong;
  return {
    operationId: `ping_${method}`,
    summary: 'Ping a heartbeat',
    tags: ['pings'],
    security: [],
    parameters: [token],
    ...(method === 'post'
      ? { requestBody: { required: false, content: { '*/*': { schema: {} } }, description: 'Anything, of any type.' } }
      : {}),
    responses: { 200: method === 'head' ? headersOnly : { ...headersOnly, content } },
  };
}

export const PING_PATH = '/v1/heartbeats/{token}/ping';

export const pingPath = {
  get: pingOperation('get'),
  head: pingOperation('head'),
  post: pingOperation('post'),
} as unknown as PathItem;
