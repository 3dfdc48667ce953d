import { ENVIRONMENT, type FlatlineConfig, type VariableName, withDependentDefaults } from './environment';

/** Injection token of the {@link FlatlineConfig}. */
export const CONFIG = Symbol('CONFIG');

/** The environment does not say what it must. The message names each variable and never a value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly { readonly variable: string; readonly message: string }[]) {
    super(problems.map(({ variable, message }) => `${variable} ${message}`).join('; '));
  }
}

/**
 * Reads the configuration from environment variables; an empty one counts as not set.
 *
 * Throws {@link ConfigError} that lists every variable that is wrong.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): FlatlineConfig {
  const given = Object.fromEntries(
    Object.keys(ENVIRONMENT.shape).map((name) => [name, env[name] === '' ? undefined : env[name]]),
  );
  const parsed = ENVIRONMENT.safeParse(given);
  if (parsed.success) return Object.freeze(withDependentDefaults(parsed.data));
  throw new ConfigError(
    parsed.error.issues.map((issue) => ({ variable: issue.path.join('.'), message: issue.message })),
  );
}

/**
 * The value of a variable that this process cannot do without. Throws {@link ConfigError} when it is not set.
 *
 * @param neededBy the variable that calls for it, where it is not needed always
 */
export function requireVariable<Name extends VariableName>(
  config: FlatlineConfig,
  name: Name,
  neededBy?: VariableName,
): NonNullable<FlatlineConfig[Name]> {
  const value = config[name];
  if (value === undefined || value === null) {
    const because = neededBy === undefined ? '' : `, because ${neededBy} is`;
    throw new ConfigError([{ variable: name, message: `must be set${because}` }]);
  }
  return value as NonNullable<FlatlineConfig[Name]>;
}

/**
 * The base URL that people and jobs use, without a slash at its end.
 *
 * `boundPort` is the port that was really bound, for PORT=0. A process that listens everywhere is shown as localhost.
 */
export function publicBaseUrl(
  config: Pick<FlatlineConfig, 'PUBLIC_BASE_URL' | 'HOST' | 'PORT'>,
  boundPort: number = config.PORT,
): string {
  if (config.PUBLIC_BASE_URL) return config.PUBLIC_BASE_URL.replace(/\/+$/, '');
  const everywhere = config.HOST === '0.0.0.0' || config.HOST === '::';
  const host = everywhere ? 'localhost' : config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
  return `http://${host}:${boundPort}`;
}
