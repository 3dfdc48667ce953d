import type { FlatlineConfig } from './config/environment';

/** What is worth telling the person who started Flatline on this machine. */
export interface StartedFlatline {
  readonly baseUrl: string;
  /** The first key, when it was made by this start; it is never shown again. */
  readonly newApiKey: string | null;
  readonly dataDir: string;
  readonly usesEmbeddedPostgres: boolean;
  readonly config: FlatlineConfig;
}

/** What the person who started Flatline reads: where it is, how to use it in two commands, where alerts go. */
export function welcomeText({ baseUrl, newApiKey, dataDir, usesEmbeddedPostgres, config }: StartedFlatline): string {
  const key = newApiKey ?? '$FLATLINE_API_KEY';
  const api = `${baseUrl}/v1`;
  return [
    '',
    'Flatline is ready.',
    '',
    `  Base URL   ${api}`,
    `  API key    ${newApiKey ?? keyHint(config.FLATLINE_BOOTSTRAP_API_KEY !== undefined)}`,
    ...(newApiKey ? ['             shown this once: keep it'] : []),
    `  Data       ${usesEmbeddedPostgres ? dataDir : 'in the Postgres of DATABASE_URL'}`,
    `  Alerts     ${alertHint(config)}`,
    '',
    'Create a heartbeat that expects a ping every minute:',
    '',
    `  TOKEN=$(curl -sS ${api}/heartbeats \\`,
    `    -H "Authorization: Bearer ${key}" -H 'Content-Type: application/json' \\`,
    `    -d '{"name":"my first job","interval_secs":60,"grace_secs":10}' \\`,
    `    | tee /dev/stderr | sed -n 's/.*"token":"\\([^"]*\\)".*/\\1/p')`,
    '',
    'Ping it, as the last line of your job would:',
    '',
    `  curl -fsS -m 10 --retry 5 --retry-connrefused -X POST ${api}/heartbeats/$TOKEN/ping`,
    '',
    'Then stay silent: after two missed minutes and the grace you are told here. Ctrl-C stops Flatline.',
    '',
    '',
  ].join('\n');
}

function keyHint(isGiven: boolean): string {
  return isGiven
    ? 'the one in FLATLINE_BOOTSTRAP_API_KEY'
    : 'shown at the first start (lost it? set FLATLINE_BOOTSTRAP_API_KEY)';
}

function alertHint(config: FlatlineConfig): string {
  const ways = [
    ...(config.DEFAULT_ALERT_EMAIL && config.SMTP_URL ? ['e-mail'] : []),
    ...(config.DEFAULT_ALERT_WEBHOOK_URL ? ['webhook'] : []),
  ];
  return ways.length > 0 ? `by ${ways.join(' and ')}` : 'on this terminal, until you add a channel';
}
