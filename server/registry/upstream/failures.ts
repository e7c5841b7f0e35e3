/** Failures of upstreams in words that a client may read: the upstream's public name and a reason, and nothing else. */
import { DepotError, type ErrorCode, systemCode } from '../../errors.js';

/** The codes of failures whose words are meant for clients. */
type UpstreamCode = Extract<ErrorCode, 'UPSTREAM_FAILED' | 'UPSTREAM_TIMEOUT'>;

/**
 * An upstream did not do what was asked.
 *
 * @param upstream - its name as clients write it
 * @param reason - what it did, as a sentence without its subject; also among the facts
 */
export function upstreamFailed(
  upstream: string,
  reason: string,
  options: { readonly cause?: unknown; readonly code?: UpstreamCode } = {},
): DepotError {
  const { code = 'UPSTREAM_FAILED', ...others } = options;
  return new DepotError(code, `${upstream} ${reason}`, { upstream, reason }, others);
}

/** What became of a request that got no answer. */
export interface ConnectionFailure {
  readonly error: DepotError;
  /** Whether the other side is at fault. */
  readonly ill: boolean;
  /** Whether there is use in asking again at once. */
  readonly again: boolean;
}

interface Reason {
  readonly text: string;
  readonly code?: UpstreamCode;
  readonly again: boolean;
}

const NO_CONNECTION: Reason = {
  text: 'cannot be reached: no connection in time',
  code: 'UPSTREAM_TIMEOUT',
  again: true,
};
const NO_ANSWER: Reason = { text: 'does not answer in time', code: 'UPSTREAM_TIMEOUT', again: false };
const CUT: Reason = { text: 'broke the connection off', again: true };
const NO_WAY: Reason = { text: 'cannot be reached: no way there', again: true };

const REASONS: Readonly<Record<string, Reason>> = {
  UND_ERR_CONNECT_TIMEOUT: NO_CONNECTION,
  ETIMEDOUT: NO_CONNECTION,
  UND_ERR_HEADERS_TIMEOUT: NO_ANSWER,
  TimeoutError: NO_ANSWER,
  UND_ERR_BODY_TIMEOUT: { text: 'stopped sending in the middle', code: 'UPSTREAM_TIMEOUT', again: true },
  ECONNREFUSED: { text: 'refuses connections', again: true },
  ECONNRESET: CUT,
  UND_ERR_SOCKET: CUT,
  UND_ERR_ABORTED: CUT,
  ENOTFOUND: { text: 'has a name that nobody knows', again: true },
  EAI_AGAIN: { text: 'has a name that cannot be looked up now', again: true },
  EHOSTUNREACH: NO_WAY,
  ENETUNREACH: NO_WAY,
};

/**
 * Turns what a connection threw into an error that can be told. A `DepotError` comes back as it is: the connection was
 * not at fault.
 */
export function connectionFailure(upstream: string, cause: unknown): ConnectionFailure {
  if (cause instanceof DepotError) return { error: cause, ill: false, again: false };
  const code = systemCode(cause) ?? nameOf(cause);
  const { text, code: outcome, again } = REASONS[code] ?? { text: `cannot be asked (${code})`, again: true };
  const error = upstreamFailed(upstream, text, { cause, ...(outcome !== undefined && { code: outcome }) });
  return { error, ill: true, again };
}

function nameOf(error: unknown): string {
  const name: unknown =
    typeof error === 'object' && error !== null && 'name' in error ? error.name : undefined;
  return typeof name === 'string' ? name : 'unknown reason';
}
