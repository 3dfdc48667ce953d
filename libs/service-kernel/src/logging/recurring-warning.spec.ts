import type { Clock } from '../clock';
import type { Logger } from './create-logger';
import { RecurringWarning } from './recurring-warning';

it('a warning that recurs is logged at once and then twice a minute, with how many there were', () => {
  let now = 0;
  const warn = jest.fn();
  const clock: Clock = { now: () => now, monotonic: () => now };
  const warning = new RecurringWarning({ warn } as unknown as Logger, clock, 'away');
  for (; now < 61_000; now += 500) warning.note(new Error('no'));
  expect(warn.mock.calls.map(([fields, message]) => [fields.sinceLastLine, message])).toEqual([
    [undefined, 'away'],
    [59, 'away'],
    [59, 'away'],
  ]);
});
