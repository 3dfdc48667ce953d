import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';

/**
 * The content of a small secret file; `make` is asked for it when there is none yet, and what it answers is durably on
 * disk, readable by its owner alone, before this returns.
 */
export function readOrCreatePrivateFile(file: string, make: () => string): string {
  if (fs.existsSync(file)) return fs.readFileSync(file, 'utf8').trim();
  const content = make();
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const fd = fs.openSync(draft, 'wx', 0o600);
    try {
      giveToOwnerOf(path.dirname(file), fd);
      fs.writeSync(fd, `${content}\n`);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(draft, file);
    syncDirectory(path.dirname(file));
  } catch (error) {
    fs.rmSync(draft, { force: true });
    throw error;
  }
  return content;
}

/** Makes a rename in `directory` durable. */
export function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** What root makes in another user's directory belongs to that user, who may start Flatline without root next time. */
export function giveToOwnerOf(directory: string, fd: number): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = fs.statSync(directory);
  if (uid !== 0) fs.fchownSync(fd, uid, gid);
}
