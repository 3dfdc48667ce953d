import * as fs from 'node:fs';
import * as path from 'node:path';

/** A file that takes lines. What was in it before is kept beside it, once, as `<name>.1`. */
export class LogFile {
  private readonly fd: number;
  private isOpen = true;

  constructor(file: string) {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    if (fs.existsSync(file)) fs.renameSync(file, `${file}.1`);
    this.fd = fs.openSync(file, 'a', 0o600);
  }

  /** What cannot be written (a full disk) is left out: a log must not end what it tells of. */
  write(line: string): void {
    if (!this.isOpen) return;
    try {
      fs.writeSync(this.fd, `${line}\n`);
    } catch {
      // See above; the terminal has what matters.
    }
  }

  close(): void {
    if (this.isOpen) fs.closeSync(this.fd);
    this.isOpen = false;
  }
}
