/** Prints what a test measured, one line between its results. No test passes or fails by it. */
export function printMeasurement(text: string): void {
  process.stderr.write(`    measured: ${text}\n`);
}
