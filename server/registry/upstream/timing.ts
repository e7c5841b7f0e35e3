/** How long what is asked of an upstream may take, and how long answers of it count. */

/** All in milliseconds. */
export interface Timing {
  /** For a connection to be made. */
  readonly connect: number;
  /** From the request to the headers of its answer. */
  readonly headers: number;
  /** Without a byte, in the middle of an answer. */
  readonly silence: number;
  /** For all that is asked while a copy is here and the client waits for it. */
  readonly revalidate: number;
  /** For a whole manifest. */
  readonly manifest: number;
  /** For a credential helper, which may ask its user. */
  readonly helper: number;
  /** Before the second try; each further one waits twice as long. */
  readonly backoff: number;
  /** The longest `Retry-After` that is waited for. */
  readonly patience: number;
  /** How long an upstream that keeps failing is left alone. */
  readonly rest: number;
  /** How long a tag counts as the upstream's own without asking. */
  readonly freshTag: number;
  /** How long a tag that the upstream has not counts as missing. */
  readonly missingTag: number;
  /** The same for a digest. */
  readonly missingDigest: number;
}

/** What holds where a test does not say otherwise. */
export const TIMING: Timing = {
  connect: 3_000,
  headers: 10_000,
  silence: 60_000,
  revalidate: 3_000,
  manifest: 60_000,
  helper: 60_000,
  backoff: 200,
  patience: 5_000,
  rest: 60_000,
  freshTag: 60_000,
  missingTag: 30_000,
  missingDigest: 60_000,
};
