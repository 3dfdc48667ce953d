/**
 * What can keep a local server from starting. Every message is one sentence for the person at the terminal: what is
 * wrong and, where there is something to do, what to do.
 */
export class LocalServerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A program that has to be there is not, or is too old. */
export class MissingProgram extends LocalServerError {
  constructor(
    /** as it is called on the command line */
    readonly program: string,
    why: string,
    /** installs it on Debian, as root */
    readonly installCommand: string,
    options?: ErrorOptions,
  ) {
    super(`${why}; on Debian this installs it, as root: ${installCommand}`, options);
  }
}

/** What a server is made of could not be downloaded or prepared. Nothing half is left behind. */
export class ProvisioningFailed extends LocalServerError {
  constructor(
    what: string,
    /** the last lines of the program that failed */
    readonly output: readonly string[],
  ) {
    super(`${what} (${lastWords(output)}).`);
  }
}

/** The server ended, or never answered. */
export class ServerDidNotStart extends LocalServerError {
  constructor(
    /** `redis`, `kafka-1` */
    readonly server: string,
    why: string,
    readonly logFile: string,
    /** the last lines of its log */
    readonly output: readonly string[],
  ) {
    const quote = output.length > 0 ? ` (${lastWords(output)})` : '';
    super(`${server} did not start: ${why}${quote}; its log is ${logFile}.`);
  }
}

/** The data belong to another kind of cluster than the one that is asked for. */
export class OtherCluster extends LocalServerError {}

function lastWords(output: readonly string[]): string {
  const complaint = output.findLast((line) => /error|exception|fatal|failed/i.test(line)) ?? output.at(-1);
  return complaint?.trim().slice(0, 300) ?? 'it said nothing';
}
