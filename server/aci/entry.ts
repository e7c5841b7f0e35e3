/** Entries of archives as they are shown. */
import { printableBytes } from '../stream/printable-bytes.js';
import type { TarEntry, TarEntryType } from '../stream/tar-entry.js';

/** One entry of an archive, its names fit for a terminal. */
export interface AciEntry {
  readonly type: TarEntryType;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly name: string;
  /** Of links only. */
  readonly target?: string;
}

/** The same with what a long listing shows besides. */
export interface ListedAciEntry extends AciEntry {
  /** Empty where the archive has only numbers. */
  readonly user: string;
  readonly group: string;
  /** Of devices only. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** Extended attributes, if there are any. */
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** An entry as it is shown. */
export function describeEntry(entry: TarEntry): AciEntry {
  const { type, mode, uid, gid, size, mtime } = entry;
  const isLink = type === 'hard-link' || type === 'symlink';
  const name = printableBytes(entry.name);
  const target = isLink && { target: printableBytes(entry.linkName) };
  return { type, mode, uid, gid, size, mtime, name, ...target };
}

/** An entry as a long listing shows it. */
export function describeFully(entry: TarEntry): ListedAciEntry {
  const isDevice = entry.type === 'character-device' || entry.type === 'block-device';
  const xattrs = [...entry.xattrs].map(([name, value]) => [printableBytes(name), printableBytes(value)]);
  return {
    ...describeEntry(entry),
    user: printableBytes(entry.uname),
    group: printableBytes(entry.gname),
    ...(isDevice && { device: { major: entry.devMajor, minor: entry.devMinor } }),
    ...(xattrs.length > 0 && { xattrs: Object.fromEntries(xattrs) }),
  };
}
