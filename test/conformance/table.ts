/** What was asked of a registry and how often it did as the specification says. */

/** Counts by the name of what was asked. */
export class Table {
  readonly #title: string;
  readonly #rows = new Map<string, { passed: number; failed: number }>();

  constructor(title: string) {
    this.#title = title;
  }

  /** Does a piece of work and counts how it went. */
  async count<T>(api: string, work: () => Promise<T>): Promise<T> {
    const row = this.#rows.get(api) ?? { passed: 0, failed: 0 };
    this.#rows.set(api, row);
    row.failed += 1;
    const result = await work();
    row.failed -= 1;
    row.passed += 1;
    return result;
  }

  toString(): string {
    const rows = [...this.#rows].sort(([one], [other]) => (one < other ? -1 : 1));
    const lines = rows.map(
      ([api, { passed, failed }]) =>
        `${api.padEnd(40)} ${String(passed).padStart(6)} ${String(failed).padStart(6)}`,
    );
    const total = (key: 'passed' | 'failed') => rows.reduce((sum, [, row]) => sum + row[key], 0);
    const head = `${'API'.padEnd(40)} passed failed`;
    return [
      this.#title,
      head,
      ...lines,
      `${'all'.padEnd(40)} ${String(total('passed')).padStart(6)} ${String(total('failed')).padStart(6)}`,
      '',
    ].join('\n');
  }
}
