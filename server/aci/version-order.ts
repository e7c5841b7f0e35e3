/** Which version of an image is the newer one. Semantic Versioning 2.0.0, section 11, as far as labels keep to it. */
import semver, { type SemVer } from 'semver';

/** Leading zeros and other liberties are taken; the library drops build metadata unless it is told so both times. */
const LOOSE = { loose: true };

/**
 * Compares two version labels: releases above pre-releases above what is no version (`stable`, a commit), each by
 * Semantic Versioning. A leading `v` does not count, `1.10` is `1.10.0`, and `_` stands for the `+` that tags cannot
 * have: `v1.3.6_coreos.1` is newer than `v1.3.6_coreos.0`.
 *
 * @returns below 0 if `one` is the older, above 0 if it is the newer, 0 where versions do not tell
 */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [versionOf(one), versionOf(other)];
  const byRank = rankOf(a) - rankOf(b);
  return byRank !== 0 || a === null || b === null ? byRank : semver.compareBuild(a, b, LOOSE);
}

/** Reads a label as {@link compareVersions} does; `null` for what is no version. */
export function versionOf(version: string): SemVer | null {
  const text = version
    .replace('_', '+')
    .replace(/^v?(\d+)(\.\d+)?(?=$|[-+])/, (_whole, major, minor = '.0') => {
      return `${major}${minor}.0`;
    });
  return semver.parse(text, LOOSE);
}

function rankOf(version: SemVer | null): number {
  if (version === null) return 0;
  return version.prerelease.length > 0 ? 1 : 2;
}
