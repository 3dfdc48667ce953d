/**
 * ESLint over the workspace in one process, with a fresh project graph.
 *
 * Usage: node tools/lint.mjs [path ...] [--fix]          default: everything
 * Exit code: 0 clean, 1 problems (printed), 2 ESLint or the project graph failed
 *
 * The boundary rule judges imports by Nx's project graph and, run by bare `eslint`, takes whatever graph was cached
 * last. So the graph is computed here first. One process for all projects shares one TypeScript program; `nx run-many
 * -t lint` would build it once per project (docs/adr/0001-toolchain.md has the figures).
 */
process.env.NX_DAEMON = 'false';

const [{ createProjectGraphAsync }, { ESLint }] = await Promise.all([
  import('@nx/devkit').then((module) => module.default ?? module),
  import('eslint').then((module) => module.default ?? module),
]);

try {
  const args = process.argv.slice(2);
  const paths = args.filter((arg) => !arg.startsWith('--'));
  await createProjectGraphAsync({ exitOnError: false, resetDaemonClient: true });
  const eslint = new ESLint({ fix: args.includes('--fix'), errorOnUnmatchedPattern: false });
  const results = await eslint.lintFiles(paths.length > 0 ? paths : ['.']);
  await ESLint.outputFixes(results);
  const problems = results.reduce((sum, { errorCount, warningCount }) => sum + errorCount + warningCount, 0);
  if (problems > 0) console.log(await (await eslint.loadFormatter('stylish')).format(results));
  process.exitCode = problems > 0 ? 1 : 0;
} catch (error) {
  console.error(error);
  process.exitCode = 2;
}
