/** Who may write: reads are open, writes are for this machine unless the configuration says otherwise. */
import type { IncomingMessage } from 'node:http';
import { DepotError } from '../../index.js';

/** What the configuration allows. */
export interface AccessRules {
  readonly write: 'loopback' | 'anyone';
  /** Whether anything may be deleted at all. */
  readonly delete: boolean;
}

const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/;
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/**
 * Lets a request pass, or says why not.
 *
 * @throws DepotError `ACCESS_DENIED`; `METHOD_NOT_ALLOWED`: deletion is off
 */
export function refuseUnlessAllowed(req: IncomingMessage, rules: AccessRules): void {
  if (req.method === 'GET' || req.method === 'HEAD') return;
  if (rules.write === 'loopback' && !isLocal(req)) {
    throw new DepotError('ACCESS_DENIED', 'pushes are taken from this machine alone: see registry.write');
  }
  if (req.method === 'DELETE' && !rules.delete && !/\/blobs\/uploads\//.test(req.url ?? '')) {
    throw new DepotError('METHOD_NOT_ALLOWED', 'deleting is off: see registry.delete');
  }
}

/** A proxy on this machine passes on what others ask, so what it passes on is not local. */
function isLocal(req: IncomingMessage): boolean {
  const { remoteAddress } = req.socket;
  // A Unix socket has no address; its file's mode says who may use it.
  if (remoteAddress !== undefined && !LOOPBACK.test(remoteAddress)) return false;
  return FORWARDED.every((name) => req.headers[name] === undefined);
}
