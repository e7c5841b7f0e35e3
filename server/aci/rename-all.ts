/** Renaming many archives: what fails does not keep the others from their names. */
import { DepotError, fileError } from '../errors.js';
import { type AciRename, isRenamed, planRename, renameAci } from './rename.js';

/** What became of one archive. */
export interface RenameOutcome {
  readonly from: string;
  /** Its new path, unless it failed before one was found. */
  readonly to?: string;
  /** `planned` only in a dry run. */
  readonly status: 'renamed' | 'planned' | 'unchanged' | 'failed';
  /** Whether a signature went along, or would. */
  readonly isSigned: boolean;
  /** Why it failed. */
  readonly error?: DepotError;
}

/**
 * Renames archives to their colon names, one after another.
 *
 * @param paths - the files, untrusted
 * @param dryRun - say what would be done and change nothing
 */
export async function* renameAcis(paths: readonly string[], dryRun: boolean): AsyncGenerator<RenameOutcome> {
  const taken = new Map<string, string>();
  for (const from of paths) {
    try {
      const plan = await planRename(from);
      const other = taken.get(plan.to);
      if (other !== undefined) throw sameName(plan, other);
      taken.set(plan.to, from);
      if (!dryRun) await renameAci(plan);
      const done = dryRun ? 'planned' : 'renamed';
      yield { from, to: plan.to, isSigned: plan.isSigned, status: isRenamed(plan) ? 'unchanged' : done };
    } catch (error) {
      yield { from, status: 'failed', isSigned: false, error: fileError(error, from) };
    }
  }
}

function sameName({ from, to }: AciRename, other: string): DepotError {
  return new DepotError('FILE_EXISTS', `${from}: ${to} is the name of ${other} already, expected two names`, {
    from,
    to,
  });
}
