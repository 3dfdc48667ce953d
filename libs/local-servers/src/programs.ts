import * as fs from 'node:fs';
import * as path from 'node:path';

import { MissingProgram } from './errors';
import { runProgram } from './run-program';

const JAVA_PACKAGES = 'apt-get install -y openjdk-17-jre-headless maven';
const OLDEST_JAVA = 17;

export interface Java {
  program: string;
  /** all it says of its version; a class-data archive belongs to exactly one */
  version: string;
}

/** Absolute path of a program, or null when it is not on the PATH. */
export function findOnPath(program: string): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const file = path.join(folder, program);
    if (path.isAbsolute(file) && isExecutable(file)) return file;
  }
  return null;
}

/** The Java of JAVA_HOME or the PATH. Throws MissingProgram when there is none from 17 up. */
export async function findJava(): Promise<Java> {
  const program = inJavaHome('java') ?? findOnPath('java');
  if (program === null) {
    throw new MissingProgram('java', `Kafka needs Java ${OLDEST_JAVA} or newer and there is no java`, JAVA_PACKAGES);
  }
  const { output } = await runProgram(program, ['-version']);
  const version = output.join('\n');
  // "17.0.15", and "1.8.0" for 8.
  const major = Number.parseInt(/version "(?:1\.)?(\d+)/.exec(version)?.[1] ?? '0', 10);
  if (major >= OLDEST_JAVA) return { program, version };
  const why = `Kafka needs Java ${OLDEST_JAVA} or newer and ${program} is ${major || 'of an unknown version'}`;
  throw new MissingProgram('java', why, JAVA_PACKAGES);
}

/** Throws MissingProgram. */
export function findMaven(): string {
  const program = findOnPath('mvn');
  if (program === null) throw new MissingProgram('mvn', 'Maven fetches Kafka and there is no mvn', JAVA_PACKAGES);
  return program;
}

/** `keytool` lies beside `java`. */
export function keytoolOf(java: Java): string {
  return path.join(path.dirname(fs.realpathSync(java.program)), 'keytool');
}

function inJavaHome(program: string): string | null {
  const home = process.env['JAVA_HOME'];
  const file = home ? path.join(home, 'bin', program) : null;
  return file !== null && isExecutable(file) ? file : null;
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
