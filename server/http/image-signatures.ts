/** The parts of a depot that sign container images, and give their signatures. */
import { join } from 'node:path';
import {
  type Config,
  currentSigningKey,
  DepotError,
  givenPassphrase,
  type Logger,
  Lookaside,
  type Metrics,
  PushSigner,
  type Registry,
  retiredCertificates,
  signedHosts,
  signImage,
} from '../index.js';

/** What they are made of. */
export interface ImageSignaturesOptions {
  readonly config: Config;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly env: Readonly<NodeJS.ProcessEnv>;
}

/** The parts. */
export interface ImageSignatures {
  readonly lookaside: Lookaside;
  readonly signer: PushSigner;
}

/**
 * Opens the folder of signatures, and begins to sign what is pushed where the configuration says so.
 *
 * @throws DepotError `CONFIG_INVALID`: it is to sign, and nothing says under which name
 */
export function openImageSignatures(options: ImageSignaturesOptions): ImageSignatures {
  const { config, registry, logger, env } = options;
  const { signOnPush, upstreams } = config.registry;
  const lookaside = new Lookaside(join(config.data.dir, 'lookaside'));
  const hosts = signOnPush.length > 0 ? signedHosts(config.registry.signedHosts, config.publicUrl) : [];
  const names = { hosts, upstreams: Object.keys(upstreams) };
  const passphrase = () => givenPassphrase(config.sign.passphraseFile, env);
  const currentKey = currentSigningKey(config.keys.dir, passphrase);
  const signer = new PushSigner({
    ...{ registry, logger, globs: signOnPush },
    sign: async (image) => {
      const key = await currentKey();
      if (key === undefined) throw new DepotError('KEY_MISSING', 'there is no signing key');
      const retired = await retiredCertificates(config.keys.dir);
      const signing = { key, retired, hashName: config.sign.hash, now: () => new Date() };
      return signImage({ ...signing, registry, lookaside, names, force: false, dryRun: false }, image);
    },
  });
  registry.events.listen(signer.note);
  signer.start();
  return { lookaside, signer };
}

/** Adds the figures of the signatures. */
export function addSignatureMetrics(metrics: Metrics, signer: PushSigner): void {
  metrics.addTotal(
    'bootdepot_images_signed_total',
    'Images that were signed after they were pushed.',
    () => signer.figures.signed,
  );
  metrics.addTotal(
    'bootdepot_images_signing_failed_total',
    'Tries to sign an image that did not succeed.',
    () => signer.figures.failed,
  );
  metrics.addGauge(
    'bootdepot_images_waiting_for_signatures',
    'Images that were pushed and are not signed yet.',
    () => signer.waiting,
  );
}
