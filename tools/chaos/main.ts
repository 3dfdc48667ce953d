import { randomInt } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import * as path from 'node:path';
import { check } from './checker/check';
import { REGRESSIONS, type Scenario } from './regressions';
import { planFaults } from './faults/plan-faults';
import { createJournal, readJournal } from './journal/journal-file';
import { commandOf, type ChaosOptions, parseOptions, USAGE } from './options';
import { planJobs } from './population/plan-jobs';
import { reportText } from './report';
import { runChaos, type RunOptions } from './run';

const say = (line: string): void => console.log(line);

/**
 * @param folder where runs are kept
 * @returns the exit code: 0 nothing was wrong, 1 something was, or the run failed, 2 a wrong option
 */
export async function main(args: string[], folder: string): Promise<number> {
  if (args.includes('--help')) {
    say(USAGE);
    return 0;
  }
  let options: ChaosOptions;
  try {
    options = parseOptions(args, randomInt(1, 1_000_000));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  if (options.replay !== null) return judge(options.replay) ? 0 : 1;
  let isWell = true;
  for (const run of options.isRegressions ? REGRESSIONS.map(regression) : [seeded(options)]) {
    isWell = (await runAndJudge(run, { folder, keep: options.keep })) && isWell;
  }
  return isWell ? 0 : 1;
}

interface Run extends Pick<RunOptions, 'world' | 'seed' | 'command' | 'jobs' | 'faults'> {
  readonly name: string;
}

function seeded(options: ChaosOptions): Run {
  const { world, seed, minutes, kinds, jobs } = options;
  const durationMs = minutes * 60_000;
  return {
    ...{ world, seed, name: String(seed), command: commandOf(options) },
    jobs: planJobs({ seed, jobs, durationMs }),
    faults: planFaults({ world, seed, durationMs, kinds }),
  };
}

function regression({ world, name, seed, jobs, durationMs, faults }: Scenario): Run {
  const command = `npm run chaos -- --regressions (${name})`;
  return { world, seed, name, command, faults, jobs: planJobs({ seed, jobs, durationMs }) };
}

/** @returns whether no promise broke */
async function runAndJudge(run: Run, { folder, keep }: { folder: string; keep: boolean }): Promise<boolean> {
  const home = path.join(folder, `${run.name}-${new Date().toISOString().replaceAll(':', '')}`);
  mkdirSync(home, { recursive: true });
  say(run.command);
  const journal = createJournal(path.join(home, 'journal.jsonl'));
  const startedAt = performance.now();
  let isWell = false;
  try {
    await runChaos({
      ...{ ...run, journal, folder: home },
      say: (line) => say(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)}  ${line}`),
    });
    await journal.close();
    isWell = judge(journal.file);
  } catch (error) {
    console.error(error);
  }
  if (isWell && !keep) rmSync(home, { recursive: true, force: true });
  else say(`kept: ${home}`);
  if (!isWell) say(`again: ${run.command}`);
  return isWell;
}

function judge(journalFile: string): boolean {
  const entries = readJournal(journalFile);
  const verdict = check(entries);
  say(`\n${reportText(entries, verdict)}`);
  return verdict.violations.length === 0;
}

/** What was started does not outlive this process (see the reaper of the test kit). */
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(code));
}
