/** How clients reach this server, for texts that show commands. */
import type { IncomingMessage } from 'node:http';

const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * How the client reached this server.
 *
 * @param publicUrl - what the configuration says about it; it wins
 */
export function originOf(req: IncomingMessage, publicUrl: string | undefined): string {
  if (publicUrl !== undefined) return publicUrl;
  const scheme = 'encrypted' in req.socket ? 'https' : 'http';
  const host = req.headers.host ?? '';
  return `${scheme}://${HOST.test(host) ? host : 'HOST'}`;
}

/** The host of an origin, with its port: the name of a registry has no scheme and no path. */
export function hostOf(origin: string): string {
  return origin.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}
