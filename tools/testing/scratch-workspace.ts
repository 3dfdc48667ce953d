import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const root = resolve(__dirname, '..', '..');

/** A workspace in a temporary folder with our tools and settings and its own sources. */
export class ScratchWorkspace {
  readonly folder = mkdtempSync(join(tmpdir(), 'flatline-test-workspace-'));

  constructor(options: { installed: boolean }) {
    for (const file of ['package.json', 'package-lock.json', '.swcrc', 'tsconfig.base.json']) {
      cpSync(join(root, file), this.path(file));
    }
    for (const file of ['build', 'install', 'launch', 'lock', 'start']) {
      cpSync(join(root, 'tools', `${file}.mjs`), this.path('tools', `${file}.mjs`));
    }
    if (options.installed) symlinkSync(join(root, 'node_modules'), this.path('node_modules'));
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  write(file: string, content: string): void {
    mkdirSync(dirname(this.path(file)), { recursive: true });
    writeFileSync(this.path(file), content);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
