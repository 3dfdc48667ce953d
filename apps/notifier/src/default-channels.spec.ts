import { loadConfig } from '@flatline/service-kernel';
import { unusableDefaults } from './default-channels';

describe('channels of the configuration', () => {
  it.each([
    [{ DEFAULT_ALERT_EMAIL: 'a@example.org' }, [/^nobody of DEFAULT_ALERT_EMAIL .* SMTP_URL is not set$/]],
    [{ DEFAULT_ALERT_WEBHOOK_URL: 'http://localhost:9000/x' }, [/^DEFAULT_ALERT_WEBHOOK_URL .* private address/]],
    [{ DEFAULT_ALERT_WEBHOOK_URL: 'http://10.0.0.1', ALLOW_PRIVATE_WEBHOOK_TARGETS: 'yes' }, []],
    [{ DEFAULT_ALERT_EMAIL: 'a@example.org', SMTP_URL: 'smtp://localhost' }, []],
    [{}, []],
  ])('%j: says which can never be told', (env, sentences) => {
    const said = unusableDefaults(loadConfig(env));
    expect(said).toEqual(sentences.map((sentence) => expect.stringMatching(sentence) as unknown));
  });
});
