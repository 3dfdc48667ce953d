/** Resolves when a promise has settled, either way, or after `withinMs`. Never rejects. */
export async function settledWithin(promise: Promise<unknown>, withinMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, withinMs);
  });
  await Promise.race([Promise.allSettled([promise]), tooLate]);
  clearTimeout(timer);
}
