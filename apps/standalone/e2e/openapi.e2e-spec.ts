import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { ADMIN_KEY, ApiSession, eventually, sendRequest, useFlatline } from '@flatline/test-kit';
import type { ApiHeartbeat } from '@flatline/test-kit';
import { ApiDocument } from './api-document';

/** It is a module of the kind that Jest cannot load. */
const VALIDATE = `
  import { Validator } from '@seriousme/openapi-schema-validator';
  import { readFileSync } from 'node:fs';
  const validator = new Validator();
  const result = await validator.validate(JSON.parse(readFileSync(0, 'utf8')));
  console.log(JSON.stringify({ ...result, version: validator.version }));
`;

describe('the OpenAPI document', () => {
  const flatline = useFlatline();
  let api: ApiSession;
  let document: ApiDocument;

  beforeAll(async () => {
    api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    document = await ApiDocument.of(flatline.baseUrl);
  });

  it('is valid OpenAPI 3.1', () => {
    const cwd = join(__dirname, '../../..');
    const args = ['--input-type=module', '-e', VALIDATE];
    const output = execFileSync(process.execPath, args, {
      cwd,
      input: JSON.stringify(document.content),
      encoding: 'utf8',
    });
    expect(JSON.parse(output)).toEqual({ valid: true, version: '3.1' });
    expect(document.content.openapi).toMatch(/^3\.1\./);
  });

  it('names each operation once, asks for a key everywhere but at pings, and speaks of no inner route', () => {
    const ids = document.operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const open = document.operations.filter(({ operation }) => operation.security?.length === 0);
    expect(open.map(({ operation }) => operation.operationId).sort()).toEqual(['ping_get', 'ping_head', 'ping_post']);
  });

  it('says of every operation what it does, refusals included', async () => {
    const fresh = (): Promise<ApiHeartbeat> => api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
    const about = (suffix: string) => async (heartbeat?: ApiHeartbeat) =>
      `/v1/heartbeats/${(heartbeat ?? (await fresh())).id}${suffix}`;
    const channel = { kind: 'webhook', name: 'pager', settings: { url: 'https://hooks.example/x' } };
    const told = await fresh();
    await api.ping(told.token);
    await eventually(async () => expect(await api.incidents(told.id)).toHaveLength(1));

    /** Of each operation: a request that succeeds, and one that is refused. */
    const requests: Record<string, [() => Promise<string> | string, object?][]> = {
      heartbeats_list: [[() => '/v1/heartbeats'], [() => '/v1/heartbeats?limit=1'], [() => '/v1/heartbeats?limit=0']],
      heartbeats_create: [
        [() => '/v1/heartbeats', { name: 'x', interval_secs: 60, grace_secs: 0, alert_after_misses: 1 }],
        [() => '/v1/heartbeats', { name: '' }],
      ],
      heartbeats_get: [[() => about('')(told)], [() => '/v1/heartbeats/nobody']],
      heartbeats_update: [
        [() => about('')(), { name: 'y', status: 'paused' }],
        [() => about('')(), { status: 'failing' }],
      ],
      heartbeats_delete: [[() => about('')()], [() => '/v1/heartbeats/nobody']],
      heartbeats_pause: [[() => about('/pause')()], [() => '/v1/heartbeats/nobody/pause']],
      heartbeats_resume: [[() => about('/resume')()], [() => '/v1/heartbeats/nobody/resume']],
      history_pings: [[() => about('/pings?limit=1')(told)], [() => about('/pings?cursor=x')(told)]],
      history_incidents: [[() => about('/incidents')(told)], [() => about('/incidents?limit=101')(told)]],
      history_transitions: [[() => about('/transitions')(told)], [() => about('/transitions?limit=101')(told)]],
      blackouts_list: [[() => '/v1/blackouts'], [() => '/v1/blackouts?limit=0']],
      channels_create: [
        [() => '/v1/channels', channel],
        [() => '/v1/channels', { ...channel, kind: 'pigeon' }],
      ],
      channels_list: [[() => '/v1/channels']],
      channels_delete: [
        [async () => `/v1/channels/${(await api.call('POST', '/channels', channel)).json.id}`],
        [() => '/v1/channels/nobody'],
      ],
      projects_create: [
        [() => '/v1/projects', { name: 'a tenant' }],
        [() => '/v1/projects', { name: 7 }],
      ],
      ping_get: [[() => `/v1/heartbeats/${told.token}/ping`], [() => '/v1/heartbeats/nobody/ping']],
      ping_head: [[() => `/v1/heartbeats/${told.token}/ping`], [() => '/v1/heartbeats/nobody/ping']],
      ping_post: [[() => `/v1/heartbeats/${told.token}/ping`], [() => '/v1/heartbeats/nobody/ping']],
    };
    expect(Object.keys(requests).sort()).toEqual(
      document.operations.map(({ operation }) => operation.operationId).sort(),
    );

    for (const described of document.operations) {
      const { method, path, operation } = described;
      for (const [index, [makePath, body]] of requests[operation.operationId]!.entries()) {
        const at = await makePath();
        const answer = await api.call(method.toUpperCase(), at.slice('/v1'.length), body);
        const isRefusal = index > 0 && index === requests[operation.operationId]!.length - 1;
        expect(`${operation.operationId} ${answer.status}`).toMatch(isRefusal ? / 4\d\d$/ : / 2\d\d$/);
        expect(document.complaintAbout(described, answer)).toBe('');
        if (body && !isRefusal) expect(document.takesBody(described, body)).toBe(true);
      }
      if (operation.security?.length !== 0) {
        const anybody = await sendRequest(flatline.baseUrl, { method: method.toUpperCase(), path });
        expect(anybody.status).toBe(401);
        expect(document.complaintAbout(described, anybody)).toBe('');
      }
    }
  });
});
