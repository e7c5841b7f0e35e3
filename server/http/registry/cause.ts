/** Who asked for something, as the events of a registry tell it. */
import type { IncomingMessage } from 'node:http';
import type { Cause } from '../../index.js';
import { originOf } from '../origin.js';
import { notedFacts } from '../request-facts.js';
import { requestIdOf } from '../request-id.js';

/**
 * Reads the cause off a request.
 *
 * @param publicUrl - what the configuration says about the server's address
 */
export function causeOf(req: IncomingMessage, publicUrl: string | undefined): Cause {
  return {
    id: requestIdOf(req),
    address: req.socket.remoteAddress ?? '',
    origin: originOf(req, publicUrl),
    method: req.method ?? '',
    userAgent: req.headers['user-agent'] ?? '',
    user: notedFacts(req).user,
  };
}
