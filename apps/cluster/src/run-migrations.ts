import { ServiceProcess } from './service-process';
import { ServiceRefused } from './services';

/** How the step says that it made a key. */
const NEW_KEY = /^FLATLINE_API_KEY=(\S+)$/;

/** Runs the migration step to its end. Answers the API key that it made, if any. Throws what it says when it fails. */
export async function runMigrations(options: {
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly show: (line: string) => void;
}): Promise<string | null> {
  let newKey: string | null = null;
  let refusal: ServiceRefused | null = null;
  const step = new ServiceProcess({
    ...options,
    name: 'migrate',
    service: 'migrate',
    isSecret: (line) => NEW_KEY.test(line),
    onLine: (line) => {
      const key = NEW_KEY.exec(line)?.[1];
      if (key === undefined) options.show(line);
      else newKey = key;
    },
    onExit: (code, lastWords) => {
      if (code !== 0) refusal = new ServiceRefused(lastWords || `migrate ended with ${code}`);
    },
  });
  await step.start();
  const how = await step.ended();
  if (refusal) throw refusal as ServiceRefused;
  if (how !== 'exit code 0') throw new ServiceRefused(`The migration step was ended (${how}).`);
  return newKey;
}
