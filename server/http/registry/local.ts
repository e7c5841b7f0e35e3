/** Whether a request comes from this machine itself. */
import type { IncomingMessage } from 'node:http';
import type { Listener } from '../../index.js';

const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/;
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/** A proxy on this machine passes on what others ask, so what it passes on is not local. */
export function isLocal(req: IncomingMessage): boolean {
  const { remoteAddress } = req.socket;
  // A Unix socket has no address; its file's mode says who may use it.
  if (remoteAddress !== undefined && !LOOPBACK.test(remoteAddress)) return false;
  return FORWARDED.every((name) => req.headers[name] === undefined);
}

/** Whether passwords that come through a listener can be read on their way. */
export function isOverheard({ tls, at }: Listener): boolean {
  if (tls || 'path' in at) return false;
  return at.host !== 'localhost' && !LOOPBACK.test(at.host ?? '');
}
