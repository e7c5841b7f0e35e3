/** What the faces (HTTP and command line) may use of the core. What few of them use is loaded when they do. */
import { eachOnFirstCall, onFirstCall } from './on-first-call.js';

export { Access } from './access/access.js';
export type { Credentials } from './access/logins.js';
export type { Action, Caller } from './access/rights.js';
export { isAcIdentifier } from './aci/ac-name.js';
export type { AciDifference } from './aci/diff.js';
export type { AciEntry, ListedAciEntry } from './aci/entry.js';
export type { AciInspection } from './aci/inspect.js';
export type { RenameOutcome } from './aci/rename-all.js';
export { AciIndex } from './assets/aci-index.js';
export { type Asset, type AssetsFolder, findAsset, refuseKeysAmongAssets } from './assets/asset.js';
export { AutoSigner } from './assets/auto-signer.js';
export { type ListingEntry, listFolder } from './assets/listing.js';
export type { Progress } from './assets/progress.js';
export { type SignRequest, signAssets } from './assets/sign-assets.js';
export type { SignedFile } from './assets/sign-file.js';
export type { VerifiedFile } from './assets/verify-file.js';
export { BoundedMemory } from './bounded-memory.js';
export type { BundleSink } from './bundle/bundle-file.js';
export type { BundledRepository, Contents, PlacedFile } from './bundle/contents.js';
export type { BundleChoice } from './bundle/create-bundle.js';
export type { LoadedBundle, LoadTarget } from './bundle/load-bundle.js';
export type { ClientFile } from './clients/client-file.js';
export type { ClientConfiguration, SiteRequest } from './clients/configure.js';
export { CLIENT_FORMATS, type ClientFormat } from './clients/format-names.js';
export { CLIENT_OPTIONS, type RawOptions } from './clients/options.js';
export type { LoadedConfig } from './config/config.js';
export type { Listener } from './config/listener.js';
export type { Config } from './config/schema.js';
export type { ConfigSources, FlagSetting } from './config/sources.js';
export { type FolderConfig, loadFolderConfig } from './config/unconfigured.js';
export { parseDuration, parseSize } from './config/units.js';
export { AciCache } from './convert/aci-cache.js';
export { Arrivals } from './convert/arrivals.js';
export type { ConvertedImage, ConvertInto } from './convert/convert-into.js';
export { aciFileName, type NameStyle } from './convert/file-names.js';
export { type MayRead, NamedImages, type WantedImage } from './convert/named-images.js';
export type { Registries } from './convert/open-named.js';
export { DEFAULT_PLATFORM, type Platform, parsePlatform } from './convert/platform.js';
export { parseImageReference } from './convert/reference.js';
export { type FoundImage, RegistryAcis } from './convert/registry-acis.js';
export { imageCalled } from './convert/registry-names.js';
export type { ImageReference, ImageSource } from './convert/source.js';
export { writeFileAtomically } from './disk/atomic-file.js';
export { etagOf, type FileVersion, isSettled, lastModifiedOf, sameVersion } from './disk/file-version.js';
export { checkFolder } from './disk/folder-check.js';
export { makeFolder, sweepTemporaries } from './disk/folders.js';
export { KnownFiles } from './disk/known-files.js';
export { type OpenFile, openRegularFile, parsePath, type RequestedPath } from './disk/safe-path.js';
export { DepotError, fileError, outcomeOf, systemCode } from './errors.js';
export { createLog, type Log, type Logger } from './log.js';
export { signedHosts } from './lookaside/identities.js';
export { parseNamedImage } from './lookaside/images.js';
export { Lookaside } from './lookaside/lookaside.js';
export { PushSigner } from './lookaside/push-signer.js';
export type { SignedImage } from './lookaside/sign-images.js';
export type { VerifiedImage } from './lookaside/verify-images.js';
export { createMetrics, type Metrics } from './metrics.js';
export type { MirroredFile } from './mirror/boot-files.js';
export type { MirroredImage, MirrorReport, MirrorWatch } from './mirror/mirror.js';
export type { ListText, MirrorJob } from './mirror/run-mirror.js';
export { type Digest, isAlgorithm, isDigest, parseDigest } from './oci/digest.js';
export type { Manifest } from './oci/manifest.js';
export { bareType, isIndexType, isManifestType, type ManifestType, OCI_INDEX } from './oci/media-type.js';
export {
  isRepositoryName,
  isTag,
  parseReference,
  parseRepositoryName,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
} from './oci/reference.js';
export type { Certificate } from './openpgp/certificate.js';
export { currentSigningKey } from './openpgp/current-key.js';
export { armorSignature, type HashName, signHashed } from './openpgp/detached.js';
export { givenPassphrase } from './openpgp/given-passphrase.js';
export type { KeyReport } from './openpgp/inspect-keys.js';
export { hasSecret } from './openpgp/key-folder.js';
export type { RotatedKey } from './openpgp/key-store.js';
export {
  type OnRefused,
  type Publication,
  type PublishedKey,
  publishedKeys,
} from './openpgp/published-keys.js';
export { retiredCertificates, retiredFingerprints } from './openpgp/retired-keys.js';
export { rktPath, writeRktTree } from './openpgp/rkt-tree.js';
export type { AskPassphrase } from './openpgp/secret-key.js';
export { loadSigningKey, type SigningKey } from './openpgp/signing-key.js';
export { parseUserId, splitUserId, type UserId } from './openpgp/user-id.js';
export { parseDetachedSignature, verifyHashed } from './openpgp/verify.js';
export type { Content, StoredContent } from './registry/content.js';
export type { Cause, ContentEvent } from './registry/events.js';
export type { GcItem, GcReport } from './registry/gc/collect.js';
export { type Housekeeping, startHousekeeping } from './registry/housekeeping.js';
export { MAX_MANIFEST_BYTES, type StoredManifest } from './registry/manifests.js';
export { type Notifier, openNotifier } from './registry/notify/notifier.js';
export { openRegistry, type Registry } from './registry/open-registry.js';
export { preconditionOf } from './registry/precondition.js';
export type { Finding } from './registry/scrub/finding.js';
export type { ScrubReport } from './registry/scrub/scrub.js';
export type { UploadPart } from './registry/uploads.js';
export type { ColdBlob } from './registry/upstream/fill.js';
export { PullThrough } from './registry/upstream/pull-through.js';
export type { PulledBlob } from './registry/upstream/pulled-blobs.js';
export type { Timing } from './registry/upstream/timing.js';
export { authorityPath, hasAuthority } from './tls/authority-files.js';

export const catAci = onFirstCall(async () => (await import('./aci/cat.js')).catAci);
export const collectGarbage = onFirstCall(
  async () => (await import('./registry/gc/collect.js')).collectGarbage,
);
export const configureClient = onFirstCall(
  async () => (await import('./clients/configure.js')).configureClient,
);
export const configureManifests = onFirstCall(
  async () => (await import('./clients/configure.js')).configureManifests,
);
export const convertImage = onFirstCall(async () => (await import('./convert/convert.js')).convertImage);
export const convertInto = onFirstCall(async () => (await import('./convert/convert-into.js')).convertInto);
export const createBundle = onFirstCall(async () => (await import('./bundle/create-bundle.js')).createBundle);
export const createAuthority = onFirstCall(async () => (await import('./tls/authority.js')).createAuthority);
export const createSigningKey = onFirstCall(
  async () => (await import('./openpgp/key-store.js')).createSigningKey,
);
export const diffAcis = onFirstCall(async () => (await import('./aci/diff.js')).diffAcis);
export const findCertificate = onFirstCall(
  async () => (await import('./bundle/bundle-input.js')).findCertificate,
);
export const formatConfig = onFirstCall(async () => (await import('./config/print.js')).formatConfig);
export const importSigningKey = onFirstCall(
  async () => (await import('./openpgp/key-store.js')).importSigningKey,
);
export const inspectAci = onFirstCall(async () => (await import('./aci/inspect.js')).inspectAci);
export const inspectKeys = onFirstCall(async () => (await import('./openpgp/inspect-keys.js')).inspectKeys);
export const issueServerCertificate = onFirstCall(
  async () => (await import('./tls/server-certificate.js')).issueServerCertificate,
);
export const listAci = onFirstCall(async () => (await import('./aci/list.js')).listAci);
export const loadBundle = onFirstCall(async () => (await import('./bundle/load-bundle.js')).loadBundle);
export const listClientKinds = onFirstCall(async () => (await import('./clients/kinds.js')).listClientKinds);
export const listUsers = onFirstCall(async () => (await import('./access/edit-users.js')).listUsers);
export const loadConfig = onFirstCall(async () => (await import('./config/config.js')).loadConfig);
export const openBundleSink = onFirstCall(
  async () => (await import('./bundle/bundle-file.js')).openBundleSink,
);
export const listSets = onFirstCall(async () => (await import('./mirror/sets.js')).listSets);
export const mirrorFiles = onFirstCall(async () => (await import('./mirror/boot-files.js')).mirrorFiles);
export const openSource = onFirstCall(async () => (await import('./convert/open-source.js')).openSource);
export const parseSignatureUpload = onFirstCall(
  async () => (await import('./lookaside/signature-upload.js')).parseSignatureUpload,
);
export const readBundleFiles = eachOnFirstCall(
  async () => (await import('./bundle/bundle-input.js')).readBundleFiles,
);
export const readEarlierBundle = onFirstCall(
  async () => (await import('./bundle/bundle-input.js')).readEarlierBundle,
);
export const readKeyring = onFirstCall(async () => (await import('./openpgp/keyring.js')).readKeyring);
export const refuseFalseSignature = onFirstCall(
  async () => (await import('./lookaside/signature-upload.js')).refuseFalseSignature,
);
export const removeUser = onFirstCall(async () => (await import('./access/edit-users.js')).removeUser);
export const renameAcis = eachOnFirstCall(async () => (await import('./aci/rename-all.js')).renameAcis);
export const renewServerCertificate = onFirstCall(
  async () => (await import('./tls/server-certificate.js')).renewServerCertificate,
);
export const rotateSigningKey = onFirstCall(
  async () => (await import('./openpgp/key-store.js')).rotateSigningKey,
);
export const runMirror = onFirstCall(async () => (await import('./mirror/run-mirror.js')).runMirror);
export const scrubRegistry = onFirstCall(async () => (await import('./registry/scrub/scrub.js')).scrub);
export const showBundle = onFirstCall(async () => (await import('./bundle/verify-bundle.js')).showBundle);
export const trustCertificate = onFirstCall(
  async () => (await import('./openpgp/trusted-keys.js')).trustCertificate,
);
export const trustedCertificates = onFirstCall(
  async () => (await import('./openpgp/trusted-keys.js')).trustedCertificates,
);
export const setUser = onFirstCall(async () => (await import('./access/edit-users.js')).setUser);
export const signImage = onFirstCall(async () => (await import('./lookaside/sign-images.js')).signImage);
export const signImages = onFirstCall(async () => (await import('./lookaside/sign-images.js')).signImages);
export const validateAci = onFirstCall(async () => (await import('./aci/validate.js')).validateAci);
export const verifyAssets = onFirstCall(async () => (await import('./assets/verify-assets.js')).verifyAssets);
export const verifyBundle = onFirstCall(async () => (await import('./bundle/verify-bundle.js')).verifyBundle);
export const writeClientFiles = onFirstCall(
  async () => (await import('./clients/write-files.js')).writeClientFiles,
);
export const verifyImages = onFirstCall(
  async () => (await import('./lookaside/verify-images.js')).verifyImages,
);
