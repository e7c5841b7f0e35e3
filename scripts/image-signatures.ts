/** `sign --images` and `verify --images`: what they read from flags, and what they say. */
import { join } from 'node:path';
import {
  type Config,
  DepotError,
  type FlagSetting,
  Lookaside,
  loadSigningKey,
  parseNamedImage,
  retiredCertificates,
  type SignedImage,
  signedHosts,
  signImages,
  type VerifiedImage,
  verifyImages,
} from '../server/index.js';
import { interruption } from './interruptible.js';
import { existingPassphrase } from './passphrase.js';
import { openDepotRegistry } from './registry-options.js';
import { countWords, resultLine, totalLine } from './result-text.js';
import { print, printJson, say } from './run.js';
import { trustedCertificates } from './trusted-certificates.js';

/** The flags that the two commands share where they are about images. */
export interface ImageFlags {
  readonly data?: string;
  readonly keys?: string;
  readonly config?: string;
  readonly hash?: string;
  readonly passphraseFile?: string;
  readonly keyring?: string;
  readonly host?: string[];
  readonly force?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** What commander does with a flag that may be repeated. */
export function collectTexts(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

/**
 * Signs images of the registry.
 *
 * @param texts - `repository:tag` or `repository@digest`; none: every tag
 * @throws DepotError `PARTIAL`, `CHECK_FAILED` (all of them failed), `CONFIG_INVALID`, `KEY_MISSING`, …
 */
export async function signRegistryImages(texts: readonly string[], flags: ImageFlags): Promise<void> {
  const images = texts.map(parseNamedImage);
  const { config, ...parts } = await openParts(flags);
  const key = await loadSigningKey(config.keys.dir, existingPassphrase(config.sign.passphraseFile));
  for (const warning of key.warnings) say(`warning: ${warning}`);
  const signing = {
    ...{ ...parts, key, hashName: config.sign.hash },
    retired: await retiredCertificates(config.keys.dir),
    force: flags.force === true,
    dryRun: flags.dryRun === true,
    now: () => new Date(),
  };
  const onImage = (image: SignedImage): void => {
    if (!flags.json) print(signedLine(image, signing.dryRun));
  };
  const done = await signImages(signing, images, onImage, interruption());
  const totals = countWords(done.map(({ action }) => action));
  const { dryRun } = signing;
  if (flags.json) printJson({ dryRun, key: key.fingerprint, images: done, totals });
  else if (done.length > 0) print(`${dryRun ? 'dry run: ' : ''}${totalLine(totals, 'image')}`);
  else say('no images to sign');
  const failed = totals.failed ?? 0;
  if (failed === 0) return;
  const message = `${failed} of ${done.length} images could not be signed`;
  throw new DepotError(failed === done.length ? 'CHECK_FAILED' : 'PARTIAL', message);
}

/**
 * Checks the signatures of images of the registry.
 *
 * @throws DepotError `CHECK_FAILED`: one is not good; `CONFIG_INVALID`, `KEY_MISSING`, …
 */
export async function verifyRegistryImages(texts: readonly string[], flags: ImageFlags): Promise<void> {
  const images = texts.map(parseNamedImage);
  const { config, ...parts } = await openParts(flags);
  const keyring = await trustedCertificates(flags.keyring ?? config.keys.dir);
  const onImage = ({ image, state, reason }: VerifiedImage): void => {
    if (!flags.json) print(resultLine(state, image, reason));
  };
  const checking = { ...parts, keyring, now: () => new Date() };
  const done = await verifyImages(checking, images, onImage, interruption());
  const totals = countWords(done.map(({ state }) => state));
  if (flags.json) printJson({ images: done, totals });
  else if (done.length > 0) print(totalLine(totals, 'image'));
  else say('no images to verify');
  const wrong = done.length - (totals.good ?? 0);
  if (wrong > 0) throw new DepotError('CHECK_FAILED', `${wrong} of ${done.length} images are not good`);
}

async function openParts(flags: ImageFlags) {
  const settings: FlagSetting[] = [
    { name: 'keys.dir', flag: '--keys', value: flags.keys },
    { name: 'sign.hash', flag: '--hash', value: flags.hash },
    { name: 'sign.passphraseFile', flag: '--passphrase-file', value: flags.passphraseFile },
    { name: 'registry.signedHosts', flag: '--host', value: flags.host },
  ];
  const { registry, config } = await openDepotRegistry(flags, settings);
  const lookaside = new Lookaside(join(config.data.dir, 'lookaside'));
  return { registry, config, lookaside, names: namesOf(config) };
}

function namesOf({ registry, publicUrl }: Config) {
  return {
    hosts: signedHosts(registry.signedHosts, publicUrl),
    upstreams: Object.keys(registry.upstreams),
  };
}

const PLANNED: Readonly<Record<string, string>> = { signed: 'would sign', 're-signed': 'would re-sign' };

function signedLine({ image, action, manifests, identities, reason }: SignedImage, dryRun: boolean): string {
  const word = (dryRun && PLANNED[action]) || action;
  if (action === 'failed') return resultLine(word, image, reason);
  const listed = manifests > 1 ? `, ${manifests} manifests` : '';
  const more = reason === '' ? '' : `; ${reason}`;
  return resultLine(word, image, `as ${identities.join(', ')}${listed}${more}`);
}
