/** What the faces (HTTP and command line) may use of the core. */
export { type AciEntry, type AciInspection, inspectAci } from './aci/inspect.js';
export { type RenameOutcome, renameAcis } from './aci/rename-all.js';
export { validateAci } from './aci/validate.js';
export { type Asset, type AssetsFolder, findAsset } from './assets/asset.js';
export { AutoSigner } from './assets/auto-signer.js';
export { type ListingEntry, listFolder } from './assets/listing.js';
export type { Progress } from './assets/progress.js';
export { type SignRequest, signAssets } from './assets/sign-assets.js';
export type { SignedFile } from './assets/sign-file.js';
export { verifyAssets } from './assets/verify-assets.js';
export type { VerifiedFile } from './assets/verify-file.js';
export { type ConfigSources, type LoadedConfig, loadConfig } from './config/config.js';
export type { Listener } from './config/listener.js';
export { formatConfig } from './config/print.js';
export type { Config } from './config/schema.js';
export type { FlagSetting } from './config/sources.js';
export { parseDuration } from './config/units.js';
export { writeFileAtomically } from './disk/atomic-file.js';
export { etagOf, type FileVersion, lastModifiedOf, sameVersion } from './disk/file-version.js';
export { checkFolder } from './disk/folder-check.js';
export { makeFolder, sweepTemporaries } from './disk/folders.js';
export { type OpenFile, openRegularFile, parsePath } from './disk/safe-path.js';
export { DepotError, fileError, outcomeOf, systemCode } from './errors.js';
export { createLog, type Log, type Logger } from './log.js';
export { createMetrics, type Metrics } from './metrics.js';
export type { Certificate } from './openpgp/certificate.js';
export { armorSignature, type HashName, signHashed } from './openpgp/detached.js';
export { inspectKeys, type KeyReport } from './openpgp/inspect-keys.js';
export { hasSecret } from './openpgp/key-folder.js';
export {
  createSigningKey,
  importSigningKey,
  type RotatedKey,
  rotateSigningKey,
} from './openpgp/key-store.js';
export { readKeyring } from './openpgp/keyring.js';
export {
  type OnRefused,
  type Publication,
  type PublishedKey,
  publishedKeys,
} from './openpgp/published-keys.js';
export { retiredFingerprints } from './openpgp/retired-keys.js';
export { rktPath, writeRktTree } from './openpgp/rkt-tree.js';
export type { AskPassphrase } from './openpgp/secret-key.js';
export { loadSigningKey, type SigningKey } from './openpgp/signing-key.js';
export { parseUserId, splitUserId, type UserId } from './openpgp/user-id.js';
export { parseDetachedSignature, verifyHashed } from './openpgp/verify.js';
