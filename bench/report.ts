/** Figures of several rounds: least, median, most. */

/** Least, median and most of some rounds. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** @param values - at least one */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    min: at(0),
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    max: at(sorted.length - 1),
  };
}

/** A value with as many digits as are worth reading. */
export function digits(value: number): string {
  if (Number.isNaN(value)) return '-';
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `min / median / max`. */
export function formatSpread({ min, median, max }: Spread): string {
  return [min, median, max].map(digits).join(' / ');
}

/** Prints rows in columns under a title; the first row is the heading. */
export function printTable(title: string, rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  console.log(`\n${title}`);
  for (const row of rows) {
    console.log(`  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
  }
}

/** One bar: what was reached, what is to be reached. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly goal: number;
  /** Whether more is better (`>=`) or less (`<=`). */
  readonly wants: 'least' | 'most';
}

/** Prints which bars are reached. */
export function printBars(bars: readonly Bar[]): void {
  const rows = bars.map(({ name, value, goal, wants }) => {
    const reached = wants === 'least' ? value >= goal : value <= goal;
    return [
      reached ? 'reached' : 'MISSED',
      name,
      `${digits(value)} ${wants === 'least' ? '>=' : '<='} ${goal}`,
    ];
  });
  printTable('bars', [['', 'bar', 'median and goal'], ...rows]);
}
