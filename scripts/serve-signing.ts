/** Signing while serving: `serve --sign`. */
import {
  AutoSigner,
  type Config,
  type Logger,
  loadSigningKey,
  retiredFingerprints,
  type SignedFile,
} from '../server/index.js';
import { existingPassphrase } from './passphrase.js';

/** A file that somebody is still copying is left alone until it has been quiet for so long. */
const QUIET_MS = 2_000;

/**
 * Opens the signing key and begins to sign what is new or changed. One file at a time, so that clients come first.
 *
 * @param logger - is told of each file that was signed, refused or failed
 * @throws DepotError `KEY_MISSING`, `KEY_UNUSABLE`, `PASSPHRASE_WRONG`
 */
export async function startSigning(config: Config, logger: Logger): Promise<AutoSigner> {
  const key = await loadSigningKey(config.keys.dir, existingPassphrase(config.sign.passphraseFile));
  for (const warning of key.warnings) logger.warn(warning);
  const signer = new AutoSigner({
    key,
    assets: config.assets,
    hashName: config.sign.hash,
    retired: await retiredFingerprints(config.keys.dir),
    paths: [],
    boot: false,
    force: false,
    dryRun: false,
    jobs: 1,
    quietMs: QUIET_MS,
    gentle: true,
    now: () => new Date(),
    onFile: (file) => tell(file, logger),
    onTrouble: (error) => logger.warn({ err: error }, 'signing is held up'),
  });
  await signer.start();
  return signer;
}

function tell({ path, action, reason, code }: SignedFile, logger: Logger): void {
  const level = action === 'refused' || action === 'failed' ? 'warn' : 'info';
  logger[level]({ file: path, action, reason, code }, 'signature');
}
