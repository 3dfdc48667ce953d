import { setFlagsFromString } from 'node:v8';

/**
 * Loading the code of a whole product makes V8 grow the space for young objects to its maximum, and an idle process
 * gives that back only after minutes: 35 MB of 145. So it may not grow until the start is over; then it does as usual,
 * and a busy process is as fast as ever. Importing this file, before everything else, begins it.
 */
setFlagsFromString('--semi-space-growth-factor=1');

/** To be called once the start is over. */
export function letYoungGenerationGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
}
