/** Functions whose modules are loaded by their first call, so that a command starts with no more than it uses. */

/** @param load - gives the function */
export function onFirstCall<Args extends readonly unknown[], Result>(
  load: () => Promise<(...args: Args) => Promise<Result>>,
): (...args: Args) => Promise<Result> {
  return async (...args) => (await load())(...args);
}

/** The same for a function that yields one result after the other. */
export function eachOnFirstCall<Args extends readonly unknown[], Result>(
  load: () => Promise<(...args: Args) => AsyncIterable<Result>>,
): (...args: Args) => AsyncGenerator<Result> {
  return async function* (...args) {
    yield* (await load())(...args);
  };
}
