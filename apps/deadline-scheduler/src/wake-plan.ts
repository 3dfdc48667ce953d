/**
 * When the timer of a heartbeat is to wake. A timer may wake early, never late: waking early costs one look at the row.
 * So a ping moves the timer only when it has to, or when the timer trails the deadline by half a period; a heartbeat
 * that is pinged a hundred times per interval moves its timer twice, one that is pinged once moves it once.
 *
 * @param wakeAt what the timer is armed for now, null when it is not
 * @param deadlineAt the deadline, null when nothing is expected
 * @param baselineAt the last success, from which the deadline was computed
 * @returns what the timer is to be armed for; equal to `wakeAt` when it stays
 */
export function planWake(wakeAt: number | null, deadlineAt: number | null, baselineAt: number): number | null {
  if (deadlineAt === null || wakeAt === null || wakeAt > deadlineAt) return deadlineAt;
  const trailsBy = deadlineAt - wakeAt;
  return trailsBy * 2 >= deadlineAt - baselineAt ? deadlineAt : wakeAt;
}
