/** A kind of client, and what it may be told beside the site. */
import type { ClientTexts } from './client-file.js';
import type { Site } from './site.js';

/** A kind of machine or program that the depot writes configuration for. */
export interface ClientKind {
  readonly name: string;
  /** What it gives, in a line. */
  readonly text: string;
  /** Whether it can refuse images that are not signed; missing where it pulls none. */
  readonly checksSignatures?: boolean;
  /** The file of a machine that it can join with its own. */
  readonly merges?: string;
  /**
   * Makes its files.
   *
   * @param existing - the text of that file, as the machine has it
   * @throws DepotError `USAGE`, `KEY_MISSING`: something that it needs is not there
   */
  readonly make: (site: Site, existing?: string) => ClientTexts;
}
