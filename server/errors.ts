/**
 * The one error type of the core and the one table that says what each code means to a person at a
 * terminal (exit status) and to a client (HTTP status and text).
 */
import { types } from 'node:util';

/** How one error code looks from outside. */
interface Outcome {
  /** HTTP status of the answer. */
  readonly status: number;
  /** The whole text an HTTP client sees: fixed, so that no path or secret can leak into it. */
  readonly text: string;
  /** Exit status of a command that ends with this error: 1 failed, 2 wrong use, 3 partial, 130 interrupted. */
  readonly exit: 1 | 2 | 3 | 130;
  /** Its code under `/v2/`, where that is not `UNKNOWN` (OCI distribution specification, "Error Codes"). */
  readonly oci?: string;
}

const OUTCOMES = {
  ACCESS_DENIED: { status: 403, text: 'forbidden', exit: 1, oci: 'DENIED' },
  ACI_INVALID: { status: 422, text: 'not a valid ACI', exit: 1 },
  ADDRESS_UNAVAILABLE: { status: 500, text: 'internal error', exit: 1 },
  ARCHIVE_INVALID: { status: 422, text: 'not a valid archive', exit: 1 },
  BAD_REQUEST: { status: 400, text: 'bad request', exit: 2 },
  BLOB_UNKNOWN: { status: 404, text: 'not found', exit: 1, oci: 'BLOB_UNKNOWN' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, text: 'not found', exit: 1, oci: 'BLOB_UPLOAD_UNKNOWN' },
  BUNDLE_BASE_MISSING: { status: 409, text: 'conflict', exit: 1 },
  BUNDLE_INVALID: { status: 422, text: 'not a valid bundle', exit: 1 },
  BUNDLE_UNTRUSTED: { status: 403, text: 'forbidden', exit: 1, oci: 'DENIED' },
  BUSY: { status: 503, text: 'busy, try again', exit: 1, oci: 'UNAVAILABLE' },
  CERTIFICATE_INVALID: { status: 500, text: 'internal error', exit: 1 },
  CHECK_FAILED: { status: 500, text: 'internal error', exit: 1 },
  CONFIG_INVALID: { status: 500, text: 'internal error', exit: 2 },
  DIGEST_INVALID: { status: 400, text: 'bad request', exit: 1, oci: 'DIGEST_INVALID' },
  DISK_FULL: { status: 507, text: 'no space left', exit: 1, oci: 'UNAVAILABLE' },
  FILE_CHANGED: { status: 503, text: 'busy, try again', exit: 1 },
  FILE_EXISTS: { status: 409, text: 'already exists', exit: 1 },
  IMAGE_INVALID: { status: 422, text: 'not a valid image', exit: 1 },
  INTERRUPTED: { status: 503, text: 'busy, try again', exit: 130 },
  IO_FAILED: { status: 500, text: 'internal error', exit: 1 },
  KEY_EXISTS: { status: 500, text: 'internal error', exit: 1 },
  KEY_MISSING: { status: 404, text: 'not found', exit: 1 },
  KEY_UNUSABLE: { status: 500, text: 'internal error', exit: 1 },
  LOGIN_REQUIRED: { status: 401, text: 'unauthorized', exit: 1, oci: 'UNAUTHORIZED' },
  MANIFEST_BLOB_UNKNOWN: { status: 400, text: 'bad request', exit: 1, oci: 'MANIFEST_BLOB_UNKNOWN' },
  MANIFEST_INVALID: { status: 400, text: 'bad request', exit: 1, oci: 'MANIFEST_INVALID' },
  MANIFEST_TOO_LARGE: { status: 413, text: 'too large', exit: 1, oci: 'SIZE_INVALID' },
  MANIFEST_UNKNOWN: { status: 404, text: 'not found', exit: 1, oci: 'MANIFEST_UNKNOWN' },
  METHOD_NOT_ALLOWED: { status: 405, text: 'method not allowed', exit: 2, oci: 'UNSUPPORTED' },
  NAME_INVALID: { status: 400, text: 'bad request', exit: 2, oci: 'NAME_INVALID' },
  NAME_UNKNOWN: { status: 404, text: 'not found', exit: 1, oci: 'NAME_UNKNOWN' },
  NOT_FOUND: { status: 404, text: 'not found', exit: 1, oci: 'NAME_UNKNOWN' },
  PAGINATION_NUMBER_INVALID: { status: 400, text: 'bad request', exit: 2, oci: 'PAGINATION_NUMBER_INVALID' },
  PARTIAL: { status: 500, text: 'internal error', exit: 3 },
  PASSPHRASE_WRONG: { status: 500, text: 'internal error', exit: 1 },
  PRECONDITION_FAILED: { status: 412, text: 'precondition failed', exit: 1, oci: 'PRECONDITION_FAILED' },
  RANGE_INVALID: { status: 416, text: 'range not satisfiable', exit: 1, oci: 'BLOB_UPLOAD_INVALID' },
  SIGNATURE_INVALID: { status: 500, text: 'internal error', exit: 1 },
  SIZE_INVALID: { status: 400, text: 'bad request', exit: 1, oci: 'SIZE_INVALID' },
  TAG_INVALID: { status: 400, text: 'bad request', exit: 2, oci: 'TAG_INVALID' },
  TOO_MANY_REQUESTS: { status: 429, text: 'too many requests', exit: 1, oci: 'TOOMANYREQUESTS' },
  UPSTREAM_FAILED: { status: 502, text: 'bad gateway', exit: 1, oci: 'UPSTREAM_FAILED' },
  UPSTREAM_TIMEOUT: { status: 504, text: 'gateway timeout', exit: 1, oci: 'UPSTREAM_TIMEOUT' },
  USAGE: { status: 400, text: 'bad request', exit: 2 },
} as const satisfies Record<string, Outcome>;

/** The stable name of one kind of failure. */
export type ErrorCode = keyof typeof OUTCOMES;

/** What was wrong, in values a log or a script can use. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean>>;

/** A failure that bootdepot foresaw: it carries a code, a sentence for a person, and the facts. */
export class DepotError extends Error {
  override readonly name = 'DepotError';
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;
  /** More of the same kind: a manifest may lack several blobs. */
  readonly others: readonly DepotError[];

  /**
   * @param code - stable name, a key of the one table of outcomes
   * @param message - what was wrong, what was expected, what to do; may name local paths
   * @param facts - the same as values
   */
  constructor(
    code: ErrorCode,
    message: string,
    facts: ErrorFacts = {},
    options: { cause?: unknown; others?: readonly DepotError[] } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.facts = facts;
    this.others = options.others ?? [];
  }
}

/** How an error looks from outside; anything that is not a {@link DepotError} is an internal error. */
export function outcomeOf(error: unknown): Outcome {
  if (error instanceof DepotError) return OUTCOMES[error.code];
  return { status: 500, text: 'internal error', exit: 1 };
}

/** The `code` of an error that the operating system or Node raised (`ENOENT`, …), else `undefined`. */
export function systemCode(error: unknown): string | undefined {
  if (!types.isNativeError(error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Whether a file operation failed because there is nothing, at that place or on the way to it. */
export function isMissing(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG';
}

const SYSTEM_CODES: Readonly<Record<string, { code: ErrorCode; text: string }>> = {
  ENOENT: { code: 'NOT_FOUND', text: 'does not exist' },
  ENOTDIR: { code: 'NOT_FOUND', text: 'lies below something that is not a folder' },
  ENAMETOOLONG: { code: 'NOT_FOUND', text: 'has a name that is too long' },
  ELOOP: { code: 'NOT_FOUND', text: 'is a link that never ends' },
  EISDIR: { code: 'IO_FAILED', text: 'is a folder, expected a file' },
  EACCES: { code: 'ACCESS_DENIED', text: 'may not be accessed by this user' },
  EPERM: { code: 'ACCESS_DENIED', text: 'may not be accessed by this user' },
  EROFS: { code: 'ACCESS_DENIED', text: 'is on a read-only file system' },
  ENOSPC: { code: 'DISK_FULL', text: 'cannot be written: no space left on the disk' },
  EDQUOT: { code: 'DISK_FULL', text: 'cannot be written: the disk quota is used up' },
  EFBIG: { code: 'DISK_FULL', text: 'cannot be written: the file size limit is reached' },
  EMFILE: { code: 'BUSY', text: 'cannot be opened: too many open files' },
  ENFILE: { code: 'BUSY', text: 'cannot be opened: too many open files' },
};

/**
 * Turns a failure of the operating system into a {@link DepotError} that names the file.
 *
 * @param error - whatever a file operation threw; a `DepotError` comes back as it is
 * @param what - the file or folder, as the user knows it
 */
export function fileError(error: unknown, what: string): DepotError {
  if (error instanceof DepotError) return error;
  const system = systemCode(error);
  const known = system === undefined ? undefined : SYSTEM_CODES[system];
  if (known !== undefined) {
    return new DepotError(
      known.code,
      `${what} ${known.text}`,
      { path: what, system: system ?? '' },
      { cause: error },
    );
  }
  const reason = types.isNativeError(error) ? error.message : String(error);
  return new DepotError('IO_FAILED', `${what}: ${reason}`, { path: what }, { cause: error });
}
