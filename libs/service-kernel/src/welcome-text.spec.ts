import { loadConfig } from './config/load-config';
import { welcomeText } from './welcome-text';

const started = (env: NodeJS.ProcessEnv = {}) => ({
  baseUrl: 'http://127.0.0.1:8080',
  newApiKey: null,
  dataDir: '/srv/flatline',
  usesEmbeddedPostgres: true,
  config: loadConfig(env),
});

describe('what the person who started Flatline reads', () => {
  it('shows the first key where it is needed: by itself and in the command to paste', () => {
    const text = welcomeText({ ...started(), newApiKey: 'flk_first' });
    expect(text).toContain('API key    flk_first');
    expect(text).toContain('-H "Authorization: Bearer flk_first"');
  });

  it('never shows a key that was given', () => {
    const key = 'a-key-that-was-given-by-the-operator';
    expect(welcomeText(started({ FLATLINE_BOOTSTRAP_API_KEY: key }))).not.toContain(key);
  });

  it('has one command that creates a heartbeat and one that pings it', () => {
    const text = welcomeText(started());
    expect(text).toContain('curl -sS http://127.0.0.1:8080/v1/heartbeats');
    expect(text).toMatch(/curl .* -X POST http:\/\/127\.0\.0\.1:8080\/v1\/heartbeats\/\$TOKEN\/ping/);
  });

  it('says where the data are and where alerts go', () => {
    expect(welcomeText(started())).toMatch(/Data +\/srv\/flatline\n +Alerts +on this terminal/);
    const elsewhere = {
      ...started({ DEFAULT_ALERT_WEBHOOK_URL: 'https://example.org/hook' }),
      usesEmbeddedPostgres: false,
    };
    expect(welcomeText(elsewhere)).toMatch(/Data +in the Postgres of DATABASE_URL\n +Alerts +by webhook/);
    expect(welcomeText(elsewhere)).not.toContain('example.org');
  });
});
