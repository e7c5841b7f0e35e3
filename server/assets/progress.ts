/** How far a long piece of work is, for whoever shows it. */
export interface Progress {
  /** The size of the work is known; comes once, before the others. */
  start(total: { readonly files: number; readonly bytes: number }): void;
  /** Bytes were read. */
  advance(bytes: number): void;
}
