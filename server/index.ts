/** What the faces (HTTP and command line) may use of the core. */
export {
  type AtomicOptions,
  isTemporaryName,
  removeStaleTemporaries,
  writeFileAtomically,
} from './disk/atomic-file.js';
export { isInside, type WalkOptions, walkFiles } from './disk/walk.js';
export { DepotError, type ErrorCode, type ErrorFacts, fileError, outcomeOf, systemCode } from './errors.js';
