/** The part of semver 7 that is used here; the package has no types of its own. */

declare module 'semver' {
  namespace semver {
    /** A version that keeps to Semantic Versioning. */
    interface SemVer {
      /** Parts of the pre-release; none for a release. */
      readonly prerelease: readonly (string | number)[];
    }
  }
  const semver: {
    /** @returns `null` for what is no version */
    parse(text: string, options: { readonly loose: boolean }): semver.SemVer | null;
    /** Compares by precedence, then by build metadata. @returns -1, 0 or 1 */
    compareBuild(one: semver.SemVer, other: semver.SemVer, options: { readonly loose: boolean }): -1 | 0 | 1;
    /** @returns `null` for what is no range */
    validRange(text: string, options: { readonly loose: boolean }): string | null;
    /** Whether a version lies in a range; pre-releases only where the range names one of the same version. */
    satisfies(version: semver.SemVer, range: string, options: { readonly loose: boolean }): boolean;
  };
  export = semver;
}
