/** Telling versions of a file apart, as far as the file system can: the base of every HTTP validator. */
import { createHash } from 'node:crypto';

/**
 * What differs between two versions of a file. Any `Stats` of Node is one. The change time is in it because it
 * cannot be set back: bytes that were replaced under an old modification time are still noticed.
 */
export interface FileVersion {
  readonly ino: number;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970, with fractions. */
  readonly mtimeMs: number;
  /** Milliseconds since 1970, with fractions. */
  readonly ctimeMs: number;
}

/** Whether two looks at a path saw the same bytes. */
export function sameVersion(one: FileVersion, other: FileVersion): boolean {
  return (
    one.ino === other.ino &&
    one.size === other.size &&
    one.mtimeMs === other.mtimeMs &&
    one.ctimeMs === other.ctimeMs
  );
}

/**
 * Whether a later change of the file is sure to show in its times. A file that was written a moment ago may be written
 * again within the same tick of the file system's clock, so it is not kept yet; where times are whole seconds,
 * the tick is taken to be as long.
 *
 * @param nowMs - milliseconds since 1970
 */
export function isSettled({ mtimeMs, ctimeMs }: FileVersion, nowMs: number): boolean {
  const tickMs = ctimeMs % 1000 === 0 ? 2500 : 100;
  return nowMs - Math.max(mtimeMs, ctimeMs) > tickMs;
}

/**
 * A strong entity tag with its quotes (RFC 9110, section 8.8.3), the same in every process and after every restart.
 * It is a digest, so that it tells nothing of the file system.
 */
export function etagOf({ ino, size, mtimeMs, ctimeMs }: FileVersion): string {
  const digest = createHash('sha256').update(`${ino} ${size} ${mtimeMs} ${ctimeMs}`).digest();
  return `"${digest.toString('base64url', 0, 18)}"`;
}

/**
 * The modification time as an HTTP date: whole seconds, never later than the file's own time nor than `now`
 * (RFC 9110, section 8.8.2.1).
 */
export function lastModifiedOf({ mtimeMs }: Pick<FileVersion, 'mtimeMs'>, now: number = Date.now()): string {
  return new Date(Math.floor(Math.min(mtimeMs, now) / 1000) * 1000).toUTCString();
}
