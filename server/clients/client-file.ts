/** A file that a machine gets, with what a person should know about it. */
import type { Site } from './site.js';

/** A program with its arguments. */
export type ProgramCall = readonly [string, ...string[]];

/** What a file makes a machine trust, to be compared before it is written. */
export interface Trusted {
  /** Of an OpenPGP certificate: 40 upper-case hex digits; of an X.509 one: SHA-256, 64 of them. */
  readonly fingerprint: string;
}

/** A file for a machine. */
export interface ClientFile {
  /** Absolute where it lies on the machine; a bare name if it goes elsewhere, which `purpose` tells. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  /** A text ends with a newline. */
  readonly content: string | Uint8Array;
  /** What it is for, in a line. */
  readonly purpose: string;
  /** What has to run once it lies there, in this order. */
  readonly after: readonly ProgramCall[];
  /** It holds one key or certificate, and nothing else, if this is set. */
  readonly trusted?: Trusted;
}

/** What a kind gives. */
export interface ClientTexts {
  readonly files: readonly ClientFile[];
  /** What else is to be done or known, a sentence each. */
  readonly notes: readonly string[];
}

/** A file before its comment is made. */
export interface Draft extends Omit<ClientFile, 'content' | 'mode'> {
  /** 0644 without. */
  readonly mode?: number;
  /** Makes the text; a format with comments puts these lines first. */
  readonly write: (comment: readonly string[]) => string;
}

/** Makes a file whose text begins with what it is for, where it goes, and what to restart. */
export function clientFile(site: Site, draft: Draft): ClientFile {
  const { write, mode = 0o644, ...rest } = draft;
  return { ...rest, mode, content: write(describe({ ...rest, mode }, site.warnings)) };
}

/** The same as lines, for a listing and for comments. */
export function describe(
  { path, mode, purpose, after }: Omit<ClientFile, 'content'>,
  warnings: readonly string[] = [],
): readonly string[] {
  const octal = mode.toString(8).padStart(4, '0');
  const place = path.startsWith('/') ? [`Goes to ${path}, mode ${octal}.`] : [];
  const then = after.length === 0 ? [] : [`Then: ${after.map((call) => call.join(' ')).join(' && ')}`];
  return [purpose, ...place, ...then, ...warnings.map((warning) => `Warning: ${warning}`)];
}
