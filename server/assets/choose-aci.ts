/** Which of several images of one name is meant. appc/spec, spec/discovery.md; rkt, how it fetches by name. */
import { compareVersions } from '../aci/version-order.js';
import type { AciIdentity } from './aci-identity.js';

/** An image in the assets folder. */
export interface IndexedAci extends AciIdentity {
  /** Its name relative to the assets folder. */
  readonly file: string;
  /** Whether a file `.asc` lies beside it. */
  readonly isSigned: boolean;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** What a client asks for. */
export interface WantedAci {
  readonly image: string;
  /** `latest`, as rkt says where no version is given, may mean the newest. */
  readonly version: string;
  readonly os: string;
  readonly arch: string;
}

/** What `latest` means: the newest version, or only what says so itself. */
export type LatestRule = 'newest' | 'none';

const LATEST = 'latest';

/**
 * Chooses among images of the wanted name. rkt compares every label that it asked for, so one that an image lacks is
 * not a match. One file of several that say the same of themselves: one with a signature, else the youngest.
 *
 * `latest` is an image that calls itself so; else, under the rule `newest`, the highest version, among those with a
 * signature if there are any: what is still being copied or is not signed yet is not offered. Else it is an image
 * without any version.
 */
export function chooseAci(
  images: readonly IndexedAci[],
  wanted: WantedAci,
  latest: LatestRule,
): IndexedAci | undefined {
  const fitting = images.filter(({ os, arch }) => os === wanted.os && arch === wanted.arch);
  const exact = fitting.filter(({ version }) => version === wanted.version);
  if (exact.length > 0 || wanted.version !== LATEST) return best(exact);
  const versioned = latest === 'newest' ? fitting.filter(({ version }) => version !== undefined) : [];
  return best(versioned) ?? best(fitting.filter(({ version }) => version === undefined));
}

function best(images: readonly IndexedAci[]): IndexedAci | undefined {
  return [...images].sort(byPreference)[0];
}

function byPreference(one: IndexedAci, other: IndexedAci): number {
  return (
    Number(other.isSigned) - Number(one.isSigned) ||
    compareVersions(other.version ?? '', one.version ?? '') ||
    other.modifiedMs - one.modifiedMs ||
    (one.file < other.file ? -1 : 1)
  );
}
