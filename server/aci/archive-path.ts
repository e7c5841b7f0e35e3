/** What a person writes to mean an entry of an archive, or all below it. */
import { printableBytes } from '../stream/printable-bytes.js';
import { cleanPath } from './archive.js';

/**
 * A path as it was written: `/etc/hosts` is one of the rootfs, `rootfs/etc/hosts` and `manifest` are as they stand in the
 * archive. With a backslash in it, it is written as lists of entries show names: `\xff` is a byte, `\\` a backslash.
 */
export class ArchivePath {
  /** In the form in which entries have it, for messages. */
  readonly text: string;
  readonly #bytes: string;
  readonly #depth: number;

  /** @param written - by a person */
  constructor(written: string) {
    this.text = cleanPath(written.startsWith('/') ? `rootfs${written}` : written);
    this.#bytes = Buffer.from(this.text).toString('latin1');
    this.#depth = this.text === '.' ? 0 : this.text.split('/').length;
  }

  /** Whether it means this entry. @param path - from {@link cleanPath} */
  is(path: string): boolean {
    return this.text.includes('\\') ? printableBytes(path) === this.text : path === this.#bytes;
  }

  /** Says that an archive has nothing there. */
  get missing(): string {
    const hint = /^(?:manifest|rootfs|\.)(?:\/|$)/.test(this.text)
      ? ''
      : '; paths of the rootfs begin with /';
    return `nothing is at ${this.text}${hint}`;
  }

  /** Whether it means this entry or one above it. @param path - from {@link cleanPath} */
  covers(path: string): boolean {
    return this.#depth === 0 || this.is(path.split('/').slice(0, this.#depth).join('/'));
  }
}
