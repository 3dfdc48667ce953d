/** Runs tasks one after the other, in the order they come. What a task throws is its caller's alone. */
export class OneAtATime {
  private last: Promise<unknown> = Promise.resolve();

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.last.then(task);
    this.last = result.catch(() => undefined);
    return result;
  }
}
