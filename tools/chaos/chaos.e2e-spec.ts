import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printMeasurement } from '@flatline/test-kit';
import { check } from './checker/check';
import { createJournal, readJournal } from './journal/journal-file';
import { planJobs } from './population/plan-jobs';
import { SHORT } from './regressions';
import { reportText } from './report';
import { runChaos } from './run';

/**
 * All five promises at once, on a cluster. Which file guards which of them stands in docs/chaos.md, under "From a
 * violation to the code"; this test only shows that the instrument and the product work together, in half a minute of
 * faults. `npm run chaos` is the real thing.
 */
describe('a cluster under faults', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flatline-chaos-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('loses no ping, raises no false alarm, misses none, and tells each once and in order', async () => {
    chmodSync(folder, 0o755);
    const { world, seed, jobs, durationMs, faults } = SHORT;
    const journal = createJournal(join(folder, 'journal.jsonl'));
    await runChaos({
      ...{ world, seed, faults, folder, journal, command: 'npm test', say: () => undefined },
      jobs: planJobs({ seed, jobs, durationMs }),
    });
    await journal.close();
    const entries = readJournal(journal.file);
    const verdict = check(entries);
    printMeasurement(reportText(entries, verdict));
    expect(verdict.violations).toEqual([]);
    expect(verdict.figures).toMatchObject({ heartbeats: jobs + 8 });
    expect(verdict.figures.pingsAcknowledged).toBeGreaterThan(500);
    expect(verdict.figures.alarmsDue).toBeGreaterThan(2);
  }, 300_000);
});
