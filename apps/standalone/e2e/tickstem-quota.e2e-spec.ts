import { ADMIN_KEY, ApiSession, useFlatline } from '@flatline/test-kit';

describe('the quota of heartbeats', () => {
  const flatline = useFlatline({ MAX_HEARTBEATS_PER_PROJECT: '3' });

  it('is answered with 402, holds for requests at the same time, and is per project', async () => {
    const api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => api.call('POST', '/heartbeats', { name: 'nightly backup' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 402, 402, 402, 402, 402]);
    expect(answers.find(({ status }) => status === 402)?.json).toMatchObject({ error: 'heartbeat quota reached' });

    const other = await api.createProject('another');
    expect((await other.call('POST', '/heartbeats', { name: 'its first' })).status).toBe(201);

    const made = answers.find(({ status }) => status === 201)!;
    await api.call('DELETE', `/heartbeats/${made.json.id}`);
    expect((await api.call('POST', '/heartbeats', { name: 'in its place' })).status).toBe(201);
  });
});
