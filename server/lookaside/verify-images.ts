/** Checking the signatures of images as a client with a policy would: by name, by digest, by key. */
import { DepotError, fileError } from '../errors.js';
import type { Certificate } from '../openpgp/certificate.js';
import type { Registry } from '../registry/open-registry.js';
import { identitiesOf, type KnownNames } from './identities.js';
import { eachImage, type NamedImage } from './images.js';
import { type JudgedSignature, judgeSignatures } from './judge.js';
import type { Lookaside, Signed } from './lookaside.js';
import { manifestsOf } from './manifests-of.js';

/** The parts that checking needs of a depot. */
export interface ImagesToVerify {
  readonly registry: Pick<Registry, 'manifests' | 'catalog' | 'tags'>;
  readonly lookaside: Lookaside;
  readonly names: KnownNames;
  readonly keyring: readonly Certificate[];
  readonly now: () => Date;
}

/** What the signatures of one image are worth. */
export interface VerifiedImage {
  /** As the registry knows it: `team/app:v1`. */
  readonly image: string;
  /** The worst of its manifests and names; `broken`: a file that clients stop at; `failed`: it could not be read. */
  readonly state: JudgedSignature['state'] | 'missing' | 'failed';
  /** Which of them, and why; empty where all is good. */
  readonly reason: string;
}

/**
 * Checks images, one after the other.
 *
 * @param images - none: every tag of every repository
 * @throws DepotError `INTERRUPTED`
 */
export async function verifyImages(
  parts: ImagesToVerify,
  images: readonly NamedImage[],
  onImage: (image: VerifiedImage) => void,
  signal?: AbortSignal,
): Promise<VerifiedImage[]> {
  const done: VerifiedImage[] = [];
  for await (const image of eachImage(parts.registry, images)) {
    if (signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted');
    const flaw = await flawOf(parts, image).catch(
      (error: unknown): Flaw => ({ state: 'failed', reason: fileError(error, image.text).message }),
    );
    const result = { image: image.text, ...(flaw ?? { state: 'good' as const, reason: '' }) };
    done.push(result);
    onImage(result);
  }
  return done;
}

type Flaw = Pick<VerifiedImage, 'state' | 'reason'>;

async function flawOf(parts: ImagesToVerify, { repository, target }: NamedImage): Promise<Flaw | undefined> {
  const digests = await manifestsOf(parts.registry, repository, target);
  if (digests === undefined) throw new DepotError('MANIFEST_UNKNOWN', 'the registry has no such image');
  const identities = identitiesOf(repository, target, parts.names);
  for (const digest of digests) {
    const flaw = await flawOfManifest(parts, { repository, digest }, identities);
    if (flaw !== undefined) return { ...flaw, reason: `${digest}: ${flaw.reason}` };
  }
  return undefined;
}

async function flawOfManifest(
  { lookaside, keyring, now }: ImagesToVerify,
  signed: Signed,
  identities: readonly string[],
): Promise<Flaw | undefined> {
  const judged = await judgeSignatures(lookaside, signed, keyring, now());
  const hole = judged.findIndex(({ number }, index) => number !== index + 1);
  if (hole !== -1) return { state: 'broken', reason: `signature-${hole + 1} is missing, and hides the next` };
  const broken = judged.find(({ state }) => state === 'broken');
  if (broken !== undefined)
    return { state: 'broken', reason: `signature-${broken.number}: ${broken.reason}` };
  for (const identity of identities) {
    const named = judged.filter((each) => each.identity === identity);
    if (named.some(({ state }) => state === 'good')) continue;
    const [first] = named;
    if (first === undefined) return { state: 'missing', reason: `no signature for ${identity}` };
    return { state: first.state, reason: `signature-${first.number} for ${identity}: ${first.reason}` };
  }
  return undefined;
}
