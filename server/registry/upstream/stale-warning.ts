/** What a client is told of a copy that its upstream did not confirm. OCI distribution specification, "Warnings". */
import type { DepotError } from '../../errors.js';

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
  return `${upstream} ${facts.reason}; this copy was last confirmed ${when}`;
}

function inWords(ms: number): string {
  const [unit, name] = UNITS.find(([length]) => ms >= 2 * length) ?? [1000, 'seconds'];
  return `${Math.floor(ms / unit)} ${name}`;
}
