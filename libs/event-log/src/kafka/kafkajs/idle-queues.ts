import RequestQueue from 'kafkajs/src/network/requestQueue';

let isDone = false;

/**
 * Every connection of kafkajs 2.2.4 looks once a millisecond, for ever, whether a request waits behind a throttle: about
 * 1.5 % of a core each while nothing happens, and a handful of connections in every process. A request that has to wait
 * starts the look itself, so without one there is nothing to look for.
 */
export function letIdleQueuesRest(): void {
  if (isDone) return;
  isDone = true;
  const look = RequestQueue.prototype.scheduleCheckPendingRequests;
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) look.call(this);
  };
}
