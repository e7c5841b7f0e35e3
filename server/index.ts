/** What the faces (HTTP and command line) may use of the core. */
export { type Asset, type AssetsFolder, findAsset } from './assets/asset.js';
export { type ListedFolder, type ListingEntry, listFolder } from './assets/listing.js';
export {
  type AtomicOptions,
  isTemporaryName,
  removeStaleTemporaries,
  writeFileAtomically,
} from './disk/atomic-file.js';
export { etagOf, type FileVersion, lastModifiedOf, sameVersion } from './disk/file-version.js';
export { type OpenFile, openRegularFile, parsePath, type SymlinkPolicy } from './disk/safe-path.js';
export { isInside, type WalkOptions, walkFiles } from './disk/walk.js';
export { DepotError, type ErrorCode, type ErrorFacts, fileError, outcomeOf, systemCode } from './errors.js';
