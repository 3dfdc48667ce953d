import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

/** What our tests look at in a service of a Compose file. */
export interface ComposeService {
  readonly image: string;
  readonly build?: unknown;
  readonly command?: readonly string[];
  readonly user?: string;
  readonly environment?: Readonly<Record<string, string | number | null>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly deploy?: {
    readonly resources?: { readonly limits?: { readonly cpus?: unknown; readonly memory?: unknown } };
  };
  readonly [field: string]: unknown;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks?: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
}

const workspace = resolve(__dirname, '../..');

/** The file's text, as it stands. */
export function composeText(file: string): string {
  return readFileSync(join(workspace, file), 'utf8');
}

/** The file as written: anchors and merges resolved, variables not. */
export function readComposeFile(file: string): ComposeFile {
  return parse(composeText(file), { merge: true }) as ComposeFile;
}

/**
 * What Compose itself makes of the file: validated, variables filled in from `envFile`. Needs no engine.
 *
 * @throws Error with what Compose said when it refuses
 */
export function resolveComposeFile(file: string, envFile: string): ComposeFile {
  const [command, ...words] = composeCommand();
  try {
    const resolved = execFileSync(command!, [...words, '-f', join(workspace, file), '--env-file', envFile, 'config'], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH }, // nothing of ours may fill a gap
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return parse(resolved) as ComposeFile;
  } catch (error) {
    throw new Error(String((error as { stderr?: unknown }).stderr ?? error), { cause: error });
  }
}

const KNOWN_COMMANDS = [['docker-compose'], ['docker', 'compose']];

/** Compose from the PATH; Debian's package when there is none and we may install it. */
function composeCommand(): readonly string[] {
  const present = KNOWN_COMMANDS.find(answers);
  if (present) return present;
  if (process.getuid?.() === 0) {
    execFileSync('apt-get', ['update'], { stdio: 'ignore' });
    execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'docker-compose'], { stdio: 'ignore' });
    return KNOWN_COMMANDS[0]!;
  }
  throw new Error('Docker Compose is missing; install it with: apt-get install docker-compose');
}

function answers([command, ...words]: readonly string[]): boolean {
  try {
    execFileSync(command!, [...words, 'version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT' || 'status' in (error as object)) return false;
    throw error;
  }
}
