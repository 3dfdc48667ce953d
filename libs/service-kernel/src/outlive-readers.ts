/**
 * Lets a process go on when nobody reads any more what it prints: a pager, `| head`, a log shipper that died. Node would
 * end it with the first line that cannot be written. What is printed from then on is lost.
 */
export function outliveReaders(streams: readonly NodeJS.WritableStream[] = [process.stdout, process.stderr]): void {
  for (const stream of streams) stream.on('error', () => undefined); // whoever writes and needs to know hears of it
}
