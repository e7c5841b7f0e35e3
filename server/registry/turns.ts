/** One at a time for each name: changes to one tag or one manifest do not cross each other. */

/** Work that waits for its turn. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Runs work when all earlier work of that name has ended.
   *
   * @throws whatever `work` throws
   */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name);
    const result = before === undefined ? work() : before.then(work);
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(name, ended);
    try {
      return await result;
    } finally {
      if (this.#last.get(name) === ended) this.#last.delete(name);
    }
  }
}
