/** Signing one manifest for all its names. */
import type { Certificate } from '../openpgp/certificate.js';
import { type ContainerSigning, signContainer } from '../openpgp/container-signature.js';
import { type JudgedSignature, judgeSignatures } from './judge.js';
import type { Lookaside, Signed } from './lookaside.js';

/** What manifests are signed with. */
export interface ImageSigning extends Omit<ContainerSigning, 'now'> {
  readonly now: () => Date;
  /** Keys of this depot that sign no more; their signatures are replaced. */
  readonly retired: readonly Certificate[];
  /** Sign anew what has a good signature. */
  readonly force: boolean;
  /** Look and say, but write nothing. */
  readonly dryRun: boolean;
}

/** How many signatures of a manifest were made, replaced, found good, and taken away. */
export interface SignedCounts {
  readonly signed: number;
  readonly replaced: number;
  readonly good: number;
  readonly removed: number;
}

/**
 * Makes sure that a manifest has one good signature by the current key for each name. What is broken goes, since it hides what
 * comes behind it; what others have signed stays.
 *
 * @param identities - each once
 * @throws DepotError `KEY_UNUSABLE`, `DISK_FULL`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function signManifest(
  lookaside: Lookaside,
  signed: Signed,
  identities: readonly string[],
  signing: ImageSigning,
): Promise<SignedCounts> {
  const { key, retired, force, dryRun } = signing;
  const now = signing.now();
  if (!dryRun) await lookaside.tidy(signed);
  const judged = await judgeSignatures(lookaside, signed, [key.certificate, ...retired], now);
  const plan = planFor(judged, identities, key.fingerprint, force);
  if (!dryRun) {
    for (const { number, identity } of plan.replace) {
      const bytes = await signContainer({ digest: signed.digest, identity }, { ...signing, now });
      await lookaside.replace(signed, number, bytes);
    }
    for (const identity of plan.add) {
      await lookaside.add(
        signed,
        await signContainer({ digest: signed.digest, identity }, { ...signing, now }),
      );
    }
    if (plan.remove.length > 0) await lookaside.remove(signed, plan.remove);
  }
  return {
    signed: plan.add.length,
    replaced: plan.replace.length,
    good: plan.good,
    removed: plan.remove.length,
  };
}

interface Plan {
  readonly add: readonly string[];
  readonly replace: readonly { readonly number: number; readonly identity: string }[];
  readonly remove: readonly number[];
  readonly good: number;
}

function planFor(
  judged: readonly JudgedSignature[],
  identities: readonly string[],
  fingerprint: string,
  force: boolean,
): Plan {
  const add: string[] = [];
  const replace: { number: number; identity: string }[] = [];
  let good = 0;
  // Signatures of keys that are not ours are nobody's to touch here.
  const ours = judged.filter(({ state }) => state !== 'unknown-key');
  const spare = new Set(ours.filter(({ state }) => isUseless(state)).map(({ number }) => number));
  for (const identity of identities) {
    const named = ours.filter((each) => each.identity === identity);
    const keep = named.find((each) => isGood(each, fingerprint));
    const place = keep ?? named[0];
    if (place === undefined) add.push(identity);
    else if (keep === undefined || force) replace.push({ number: place.number, identity });
    else good += 1;
    if (place !== undefined) spare.delete(place.number);
    for (const each of named) if (each !== place) spare.add(each.number);
  }
  return { add, replace, remove: [...spare], good };
}

function isUseless(state: JudgedSignature['state']): boolean {
  return state === 'broken' || state === 'bad';
}

function isGood({ state, fingerprint }: JudgedSignature, current: string): boolean {
  return state === 'good' && fingerprint === current;
}
