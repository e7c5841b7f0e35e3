/** Who holds a lock, so that another process of the same machine can tell that he is dead. */
import { readFile, readlink } from 'node:fs/promises';
import { systemCode } from '../errors.js';

/** Where a process can be known by its number: a start of the machine, and a namespace of numbers within it. */
let placeRead: Promise<string | undefined> | undefined;

/**
 * This process, in a few characters that no other one has until the machine is started again.
 *
 * @returns `unknown` where the system does not tell
 */
export async function lockOwner(): Promise<string> {
  const place = await placeOfNumbers();
  return place === undefined ? 'unknown' : `${place}/${process.pid}`;
}

/**
 * Whether the process that wrote this is sure to be gone. One of another machine, or that is seen under other numbers, may
 * be alive.
 *
 * @param owner - what {@link lockOwner} said there
 */
export async function isGone(owner: string): Promise<boolean> {
  const place = await placeOfNumbers();
  const [, theirs, pid] = /^(.+)\/([1-9]\d*)$/.exec(owner) ?? [];
  if (place === undefined || theirs !== place) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    // Another user's process cannot be signalled, and is there.
    return systemCode(error) === 'ESRCH';
  }
}

function placeOfNumbers(): Promise<string | undefined> {
  placeRead ??= readPlace().catch(() => undefined);
  return placeRead;
}

async function readPlace(): Promise<string> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const numbers = /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0] ?? 'none';
  return `${boot}/${numbers}`;
}
