/** Giving archives their colon names. */
import { link, lstat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../disk/atomic-file.js';
import { DepotError, fileError, systemCode } from '../errors.js';
import { colonNameOf } from './colon-name.js';
import { identifyAci } from './identify.js';

/** Where an archive belongs. */
export interface AciRename {
  readonly from: string;
  /** In the same folder; the same path where the name is right already. */
  readonly to: string;
  /** Whether a signature lies beside the archive; it goes along. */
  readonly isSigned: boolean;
}

/**
 * Finds the colon name of an archive. Nothing is changed.
 *
 * @param path - the file, untrusted
 * @throws DepotError `ACI_INVALID`: not an image, or no possible name; `FILE_EXISTS`: another file has the name, or its
 *   signature; `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`: the file cannot be read
 */
export async function planRename(path: string): Promise<AciRename> {
  const { manifest } = await identifyAci(path);
  const to = join(dirname(path), colonNameOf(manifest));
  const plan = { from: path, to, isSigned: (await identityOf(signatureOf(path))) !== undefined };
  if (isRenamed(plan)) return plan;
  for (const [from, target] of movesOf(plan)) await refuseOther(from, target);
  // A signature left there by another image would be taken for that of this one.
  if (!plan.isSigned && (await identityOf(to)) === undefined) await refuseOther(path, signatureOf(to));
  return plan;
}

/** Whether there is nothing to do. */
export function isRenamed({ from, to }: AciRename): boolean {
  return join(from) === to;
}

/**
 * Renames an archive and its signature as planned, never over another file, whoever else is at work in the folder. For
 * a moment both names exist, each with its signature, so a client that is fetching the one or the other ends well
 * or is told 404, and asks again; it never gets a signature that is not the archive's.
 *
 * @throws DepotError `FILE_EXISTS`: another file has the name by now; `ACCESS_DENIED`, `IO_FAILED`; the old names are
 *   then still there
 */
export async function renameAci(plan: AciRename): Promise<void> {
  if (isRenamed(plan)) return;
  const moves = movesOf(plan);
  const made: string[] = [];
  try {
    for (const [from, to] of moves) if (await linkTo(from, to)) made.push(to);
    await syncFolder(dirname(plan.to));
  } catch (error) {
    for (const path of made) await unlink(path).catch(() => undefined);
    throw fileError(error, plan.to);
  }
  try {
    // The signature goes first: who has it already still finds the archive for a moment.
    for (const [from] of moves.toReversed()) await unlink(from);
    await syncFolder(dirname(plan.to));
  } catch (error) {
    throw fileError(error, plan.from);
  }
}

function movesOf({ from, to, isSigned }: AciRename): (readonly [string, string])[] {
  const archive = [from, to] as const;
  return isSigned ? [archive, [signatureOf(from), signatureOf(to)]] : [archive];
}

function signatureOf(path: string): string {
  return `${path}.asc`;
}

/** A link, unlike a rename, fails where the name is taken. @returns whether it was made here */
async function linkTo(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw fileError(error, from);
    await refuseOther(from, to);
    return false;
  }
}

/** A name that is the same file already was made by a rename that was cut off. */
async function refuseOther(from: string, to: string): Promise<void> {
  const there = await identityOf(to);
  if (there === undefined || there === (await identityOf(from))) return;
  throw new DepotError(
    'FILE_EXISTS',
    `${from}: ${to} exists and is another file, expected a free name: move it away`,
    {
      from,
      to,
    },
  );
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await lstat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path);
  }
}
