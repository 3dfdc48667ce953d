/** What kafkajs 2.2.4 has and does not export; see idle-queues.ts. */
declare module 'kafkajs/src/network/requestQueue' {
  class RequestQueue {
    pending: unknown[];
    scheduleCheckPendingRequests(): void;
  }
  export = RequestQueue;
}

/** For the test that its messages still are what kafkajs-errors.ts looks for. */
declare module 'kafkajs/src/protocol/error' {
  function createErrorFromCode(code: number): Error;
}
