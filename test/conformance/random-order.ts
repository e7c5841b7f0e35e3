/** An order that is another one in each run, and the same for the same seed. */

/** `CONFORMANCE_SEED`, or one that nobody chose. */
export function chooseSeed(): number {
  const wanted = Number(process.env.CONFORMANCE_SEED);
  return Number.isSafeInteger(wanted) && wanted > 0 ? wanted : 1 + Math.floor(Math.random() * 2 ** 31);
}

/** Numbers from 0 up to 1 that follow from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The items in another order. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, place: random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ item }) => item);
}
