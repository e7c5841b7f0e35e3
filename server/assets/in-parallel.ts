/** Work on many things, a few at a time. */

/**
 * Calls `work` for each item, in their order, at most `limit` at once.
 *
 * @throws the first error of `work`, after the calls that were under way have ended
 */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); !failed && next.done !== true; next = rest.next()) {
      await work(next.value).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: limit }, worker));
  const broken = ends.find((end) => end.status === 'rejected');
  if (broken !== undefined) throw broken.reason;
}

/**
 * The same where each call gives a result: results are handed over in the order of the items, each as soon as those before
 * it are there.
 *
 * @throws as {@link inParallel}; what comes after a failed item is not handed over
 */
export async function inParallelInOrder<T, R extends object>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
  handOver: (result: R) => void,
): Promise<void> {
  const early = new Map<number, R>();
  let next = 0;
  await inParallel([...items].entries(), limit, async ([index, item]) => {
    early.set(index, await work(item));
    for (let result = early.get(next); result !== undefined; result = early.get(next)) {
      early.delete(next);
      next += 1;
      handOver(result);
    }
  });
}
