/** What a client is told of a copy that its upstream did not confirm. OCI distribution specification, "Warnings". */
import type { DepotError } from '../../errors.js';

/** Some reasons repeat what an upstream sent, which does not have to fit into a field between quotes. */
const UNSAFE = /[^\x20-\x7e]|["\\]/g;
const MOST_CHARACTERS = 1_000;

const UNITS: readonly [ms: number, name: string][] = [
  [24 * 60 * 60 * 1000, 'days'],
  [60 * 60 * 1000, 'hours'],
  [60 * 1000, 'minutes'],
  [1000, 'seconds'],
];

/**
 * Why a copy is served, and how old it is.
 *
 * @param age - milliseconds since the upstream last confirmed it; `undefined`: nobody knows
 */
export function staleWarning(upstream: string, { facts }: DepotError, age: number | undefined): string {
  const when = age === undefined ? 'at an unknown time' : `${inWords(age)} ago`;
  const reason = String(facts.reason ?? 'has what cannot be kept now').slice(0, MOST_CHARACTERS);
  return `${upstream} ${reason.replace(UNSAFE, '?')}; this copy was last confirmed ${when}`;
}

function inWords(ms: number): string {
  const [unit, name] = UNITS.find(([length]) => ms >= 2 * length) ?? [1000, 'seconds'];
  return `${Math.floor(ms / unit)} ${name}`;
}
