import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { type DockerfileStage, parseDockerfile, textsOf } from './dockerfile';

const workspace = resolve(__dirname, '../..');

/** Who runs the programs: nobody, where we may choose. */
export const UNPRIVILEGED = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/**
 * The file system that the Dockerfile describes, built without Docker: every stage is a folder, every step is done in
 * it as written. One is not: the `npm ci` of the build stage, because this very workspace was installed by it.
 */
export class ImageBuild {
  private readonly folder = mkdtempSync(join(tmpdir(), 'flatline-test-image-'));
  private readonly stages: readonly DockerfileStage[];

  constructor() {
    this.stages = parseDockerfile(join(workspace, 'Dockerfile'));
    chmodSync(this.folder, 0o755);
  }

  private get last(): DockerfileStage {
    return this.stages.at(-1)!;
  }

  /** The root of the image's file system. */
  get root(): string {
    return this.rootOf(this.last.name);
  }

  get user(): string {
    return textsOf(this.last, 'USER').at(-1) ?? 'root';
  }

  /** The environment of the image, its paths turned to where they lie here. */
  get environment(): Record<string, string> {
    const pairs = textsOf(this.last, 'ENV').flatMap((text) => text.split(' '));
    return Object.fromEntries(
      pairs.map((pair) => [pair.split('=')[0]!, this.here(this.root, pair.slice(pair.indexOf('=') + 1))]),
    );
  }

  get entrypoint(): string[] {
    const words = JSON.parse(textsOf(this.last, 'ENTRYPOINT').at(-1)!) as string[];
    return words.map((word) => this.here(this.root, word));
  }

  /** What runs when nothing is said. */
  get defaultProgram(): string {
    return (JSON.parse(textsOf(this.last, 'CMD').at(-1)!) as string[]).join(' ');
  }

  build(): void {
    for (const stage of this.stages) this.buildStage(stage);
    // What `read_only: true` is in a container: nobody can write to what was built.
    execFileSync('chmod', ['-R', 'a-w,a+rX', join(this.root, 'flatline')]);
  }

  remove(): void {
    execFileSync('chmod', ['-R', 'u+w', this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private buildStage(stage: DockerfileStage): void {
    const root = this.rootOf(stage.name);
    let directory = root;
    for (const { instruction, text } of stage.steps) {
      if (instruction === 'WORKDIR') mkdirSync((directory = join(root, text)), { recursive: true });
      if (instruction === 'COPY') this.copy(text, directory);
      if (instruction === 'RUN') this.run(text, root, directory);
    }
  }

  private run(command: string, root: string, directory: string): void {
    if (command === 'npm ci') return symlinkSync(join(workspace, 'node_modules'), join(directory, 'node_modules'));
    const { uid, gid } = UNPRIVILEGED;
    const owner = uid === undefined ? `${process.getuid?.()}:${process.getgid?.()}` : `${uid}:${gid}`;
    execFileSync('sh', ['-euc', this.here(root, command).replaceAll('node:node', owner)], {
      cwd: directory,
      env: { ...process.env, NODE_ENV: '', npm_config_prefer_offline: 'true' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }

  private copy(text: string, directory: string): void {
    const words = text.split(' ');
    const stage = words[0]!.startsWith('--from=') ? words.shift()!.slice('--from='.length) : null;
    const target = words.pop()!;
    for (const word of words) {
      const source = stage === null ? join(workspace, word) : join(this.rootOf(stage), word);
      const isFolder = statSync(source).isDirectory();
      const destination = join(directory, target, isFolder ? '' : basename(source));
      // Moved, not copied: nobody asks a stage for the same files twice.
      if (stage !== null) renameSync(source, destination);
      else cpSync(source, destination, { recursive: true, filter: (file) => !isIgnored(relative(workspace, file)) });
    }
  }

  private rootOf(stage: string | null): string {
    const root = join(this.folder, stage ?? 'image');
    mkdirSync(root, { recursive: true });
    return root;
  }

  /** Absolute paths of the image, as paths of this machine. */
  private here(root: string, text: string): string {
    return text.replace(
      /(^| )(\/(?:flatline|data)\b)/g,
      (_match, before: string, path: string) => before + root + path,
    );
  }
}

const ignored = readFileSync(join(workspace, '.dockerignore'), 'utf8').split('\n').filter(Boolean);

function isIgnored(path: string): boolean {
  return ignored.some((entry) => path === entry || path.startsWith(`${entry}/`));
}
