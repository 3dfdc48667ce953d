import RequestQueue from 'kafkajs/src/network/requestQueue';
import { letIdleQueuesRest } from './idle-queues';

describe('the request queue of kafkajs', () => {
  it('sets no timer while nothing waits, and does when something does', () => {
    letIdleQueuesRest();
    letIdleQueuesRest();
    const timer = jest.spyOn(global, 'setTimeout').mockReturnValue(1 as never);
    const look = (pending: unknown[]): void =>
      RequestQueue.prototype.scheduleCheckPendingRequests.call({ pending } as never);
    look([]);
    expect(timer).not.toHaveBeenCalled();
    look(['a request']);
    expect(timer).toHaveBeenCalledTimes(1);
  });
});
