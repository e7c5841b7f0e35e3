/**
 * Messages that wait on the disk for somebody to take them: one file each, in the order of their numbers. They survive the end
 * of the process; they are not synced one by one, so that a crash of the machine may take the last seconds of them.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createPendingFile, removeStaleTemporaries } from '../../disk/atomic-file.js';
import { makeFolder } from '../../disk/folders.js';
import { fileError } from '../../errors.js';
import type { NotificationMessage } from './envelope.js';

/** How much a spool may hold. */
export interface SpoolOptions {
  /** Messages; beyond it the oldest are given up. */
  readonly most: number;
  /** Told of each message that is given up, and why. */
  readonly onDropped: (why: string) => void;
}

/** A message that is waiting. */
interface Waiting {
  readonly number: number;
  /** Whether it is on the disk; it is not yet, or never, where that was not possible. */
  readonly written: Promise<boolean>;
}

const NAME = /^(\d{16})\.txt$/;

/** Messages that are being written at a time; what comes in faster than the disk takes it is given up. */
const MOST_WRITES = 1_000;

/** The messages for one endpoint. */
export class Spool {
  readonly #folder: string;
  readonly #options: SpoolOptions;
  readonly #waiting: Waiting[] = [];
  #next = 1;
  #writes = 0;

  private constructor(folder: string, options: SpoolOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Opens a spool with what another process left in it. A folder that cannot be used makes an empty one. */
  static async open(folder: string, options: SpoolOptions): Promise<Spool> {
    const spool = new Spool(folder, options);
    await makeFolder(folder).catch(() => undefined);
    await removeStaleTemporaries(folder).catch(() => undefined);
    const names = await readdir(folder).catch(() => []);
    const numbers = names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
    for (const number of numbers.sort((a, b) => a - b)) {
      spool.#waiting.push({ number, written: Promise.resolve(true) });
    }
    spool.#next = (numbers.at(-1) ?? 0) + 1;
    spool.#makeRoom();
    return spool;
  }

  /** How many messages are waiting. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Puts a message behind the others; resolves when it is on the disk, or was given up. */
  async add(message: NotificationMessage): Promise<void> {
    if (this.#writes >= MOST_WRITES) return this.#options.onDropped('the disk is too slow');
    const number = this.#next;
    this.#next += 1;
    const written = this.#write(number, message);
    this.#waiting.push({ number, written });
    this.#makeRoom();
    await written;
  }

  /** The message that has waited longest; it stays until it is removed. */
  async oldest(): Promise<{ readonly number: number; readonly message: NotificationMessage } | undefined> {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { number } = first;
      const written = await first.written;
      const message = written ? await this.#read(number) : undefined;
      if (message !== undefined) return { number, message };
      if (written && this.#waiting.includes(first)) this.#options.onDropped('its file is damaged or gone');
      await this.remove(number);
    }
    return undefined;
  }

  /** Removes a message, if it is still there. */
  async remove(number: number): Promise<void> {
    const index = this.#waiting.findIndex((waiting) => waiting.number === number);
    if (index !== -1) this.#waiting.splice(index, 1);
    await rm(this.#path(number), { force: true }).catch(() => undefined);
  }

  #makeRoom(): void {
    const surplus = Math.max(0, this.#waiting.length - this.#options.most);
    for (const { number, written } of this.#waiting.splice(0, surplus)) {
      this.#options.onDropped('too many are waiting');
      void written.then(() => rm(this.#path(number), { force: true })).catch(() => undefined);
    }
  }

  async #write(number: number, { contentType, body }: NotificationMessage): Promise<boolean> {
    this.#writes += 1;
    try {
      await makeFolder(this.#folder);
      const file = await createPendingFile(this.#path(number), { durable: false });
      try {
        await file.handle.writeFile(`${contentType}\n${body}`);
        await file.commit();
      } finally {
        await file.discard();
      }
      return true;
    } catch (error) {
      this.#options.onDropped(`it cannot be kept: ${fileError(error, 'the spool').code}`);
      return false;
    } finally {
      this.#writes -= 1;
    }
  }

  /** `undefined` if the file is gone, or a crash of the machine left less than all of it. */
  async #read(number: number): Promise<NotificationMessage | undefined> {
    const text = await readFile(this.#path(number), 'utf8').catch(() => '');
    const [contentType = '', body = ''] = text.split('\n');
    return body.endsWith('}') ? { contentType, body } : undefined;
  }

  #path(number: number): string {
    return join(this.#folder, `${String(number).padStart(16, '0')}.txt`);
  }
}
