/**
 * A disk whose process can be made to die at any one of its calls. From then on none of its calls does anything: what a
 * `finally` would tidy stays, and what the disk has is what a process killed at that instant leaves.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { existsSync } from 'node:fs';
import type * as Real from 'node:fs/promises';
import { join } from 'node:path';

type FileSystem = typeof Real;

/** One call that changes the disk, or makes a change durable. */
export interface Call {
  readonly kind:
    | 'open'
    | 'mkdir'
    | 'rename'
    | 'rm'
    | 'rmdir'
    | 'unlink'
    | 'utimes'
    | 'write'
    | 'writev'
    | 'writeFile'
    | 'sync'
    | 'datasync'
    | 'truncate';
  readonly path: string;
  /** Of a rename. */
  readonly to?: string;
}

const OF_HANDLES = ['write', 'writev', 'writeFile', 'sync', 'datasync', 'truncate'] as const;

/** An empty file needs none, on most disks. */
const NEEDS_ROOM: ReadonlySet<string> = new Set(['mkdir', 'write', 'writev', 'writeFile']);

/** Stands between the code under test and `node:fs/promises`. */
export class CrashingDisk {
  /** What has been done since the last {@link start}, in order; only what succeeded. */
  readonly calls: Call[] = [];
  readonly #real: FileSystem;
  #points = 0;
  #room = Number.POSITIVE_INFINITY;
  #diesAt = Number.POSITIVE_INFINITY;
  /** Whether there is no room: what is there can be moved and removed, and nothing can be added. */
  full = false;
  /** What is done side by side dies together. */
  readonly #life = new AsyncLocalStorage<{ dead: boolean }>();

  constructor(real: FileSystem) {
    this.#real = real;
  }

  /**
   * Does some work, and dies at one point of it.
   *
   * @param diesAt - counted from 0; a write has two, before it and in its middle
   * @returns whether it died; else the work was done before that point came
   */
  async start(diesAt: number, work: () => Promise<void>): Promise<'died' | 'done'> {
    this.calls.length = 0;
    this.#points = 0;
    this.#diesAt = diesAt;
    const life = { dead: false };
    try {
      await this.#life.run(life, work);
    } catch (error) {
      if (!life.dead) throw error;
    } finally {
      this.#diesAt = Number.POSITIVE_INFINITY;
    }
    return life.dead ? 'died' : 'done';
  }

  /** Whether whoever asks is the one who died. */
  get isDead(): boolean {
    return this.#life.getStore()?.dead ?? false;
  }

  /**
   * Does some work on a disk that becomes full at one point of it, and then has room again.
   *
   * @param fullAt - how many calls that need room find it
   * @throws whatever the work throws
   */
  async fill(fullAt: number, work: () => Promise<void>): Promise<void> {
    this.#room = fullAt;
    try {
      await work();
    } finally {
      this.#room = Number.POSITIVE_INFINITY;
    }
  }

  /** What is imported in the place of `node:fs/promises`. */
  get module(): FileSystem {
    const real = this.#real;
    const step = <T>(call: Call, work: () => Promise<T>): Promise<T> => this.#step(call, work);
    return {
      ...real,
      open: async (path, flags, mode) => {
        const open = () => real.open(path, flags, mode);
        const handle = await (String(flags).startsWith('w')
          ? step({ kind: 'open', path: String(path) }, open)
          : open());
        this.#watch(handle, String(path));
        return handle;
      },
      mkdir: this.#counted('mkdir'),
      rename: (from, to) =>
        step({ kind: 'rename', path: String(from), to: String(to) }, () => real.rename(from, to)),
      rm: this.#counted('rm'),
      rmdir: this.#counted('rmdir'),
      unlink: this.#counted('unlink'),
      utimes: this.#counted('utimes'),
      writeFile: this.#counted('writeFile'),
    };
  }

  #counted<K extends 'mkdir' | 'rm' | 'rmdir' | 'unlink' | 'utimes' | 'writeFile'>(kind: K): FileSystem[K] {
    const method: (...args: never[]) => unknown = this.#real[kind];
    const counted = (...args: unknown[]) =>
      this.#step({ kind, path: String(args[0]) }, async () => Reflect.apply(method, this.#real, args));
    return Object.assign(counted, method);
  }

  #watch(handle: Real.FileHandle, path: string): void {
    for (const kind of OF_HANDLES) {
      const method: (...args: never[]) => Promise<unknown> = handle[kind];
      // What a dying process has written stays, synced or not.
      const call = (args: unknown[]) =>
        kind.endsWith('sync') ? Promise.resolve() : Reflect.apply(method, handle, args);
      Object.assign(handle, {
        [kind]: async (...args: unknown[]) => {
          const torn = halfOf(args[0]);
          const half = () => call([torn, ...args.slice(1)]);
          if (torn !== undefined) await this.#die(half);
          if (torn !== undefined && this.#room === 0) await half();
          return this.#step({ kind, path }, () => call(args));
        },
      });
    }
  }

  async #step<T>(call: Call, work: () => Promise<T>): Promise<T> {
    // A sync changes nothing that the next process sees.
    if (!call.kind.endsWith('sync')) await this.#die(async () => undefined);
    if (this.isDead) throw new Error('dead');
    if (NEEDS_ROOM.has(call.kind) && !(call.kind === 'mkdir' && existsSync(call.path))) this.#takeRoom();
    const result = await work();
    this.calls.push(call);
    return result;
  }

  #takeRoom(): void {
    if (this.full || this.#room <= 0)
      throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    this.#room -= 1;
  }

  /** One point. */
  async #die(last: () => Promise<unknown>): Promise<void> {
    const life = this.#life.getStore();
    if (life === undefined || life.dead) return;
    const point = this.#points;
    this.#points += 1;
    if (point !== this.#diesAt) return;
    life.dead = true;
    await last();
  }
}

/** The part of a write that comes to the disk before the rest does not. */
function halfOf(data: unknown): Uint8Array | readonly Uint8Array[] | undefined {
  if (typeof data === 'string') return halfOf(Buffer.from(data));
  if (data instanceof Uint8Array) return data.length > 1 ? data.subarray(0, data.length >> 1) : undefined;
  if (!Array.isArray(data)) return undefined;
  const all = Buffer.concat(data);
  return all.length > 1 ? [all.subarray(0, all.length >> 1)] : undefined;
}

/** What a power failure could take from what some calls did below a folder. */
export function notDurable(calls: readonly Call[], folder: string): string[] {
  const disk = new Durability();
  for (const call of calls) disk.note(call);
  return disk.complaints.concat(disk.pending()).filter((text) => text.includes(folder));
}

/** Which bytes and which names are on the disk for good. */
class Durability {
  readonly complaints: string[] = [];
  /** Files whose bytes are not. */
  readonly #dirty = new Set<string>();
  /** Files and folders whose names are not. */
  readonly #unnamed = new Set<string>();

  pending(): string[] {
    return [
      ...[...this.#dirty].map((path) => `bytes not synced: ${path}`),
      ...[...this.#unnamed].map((path) => `name not synced: ${path}`),
    ];
  }

  note({ kind, path, to }: Call): void {
    if (kind === 'sync' || kind === 'datasync') this.#sync(path);
    else if (kind === 'rename') this.#rename(path, to ?? path);
    else if (kind === 'rm' || kind === 'rmdir' || kind === 'unlink') this.#forget(path);
    else if (kind === 'open' || kind === 'mkdir') this.#unnamed.add(path);
    else if (kind !== 'utimes') this.#dirty.add(path);
  }

  #sync(path: string): void {
    this.#dirty.delete(path);
    for (const name of this.#unnamed) if (join(name, '..') === path) this.#unnamed.delete(name);
  }

  #rename(from: string, to: string): void {
    this.#unnamed.delete(from);
    for (const file of this.#dirty) {
      if (isAt(from, file)) this.complaints.push(`moved before its bytes were synced: ${file} to ${to}`);
    }
    for (const name of this.#unnamed) {
      if (isAt(from, name)) this.complaints.push(`moved before its name was synced: ${name} to ${to}`);
    }
    this.#forget(from);
    this.#unnamed.add(to);
    // The place it had must be known to be empty, too; what is damaged may come back, and is found again.
    if (!to.includes('/quarantine/')) this.#unnamed.add(from);
  }

  #forget(path: string): void {
    for (const set of [this.#dirty, this.#unnamed]) {
      for (const each of set) if (isAt(path, each)) set.delete(each);
    }
  }
}

function isAt(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
