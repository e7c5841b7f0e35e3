/** How clients reach this server, for texts that show commands. */
import type { IncomingMessage } from 'node:http';

const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * How the client reached this server.
 *
 * @param publicUrl - what the configuration says about it; it wins
 */
export function originOf(req: IncomingMessage, publicUrl: string | undefined): string {
  return knownOriginOf(req, publicUrl) ?? `${schemeOf(req)}://HOST`;
}

/** The same for texts that go into machines as they are: `undefined` if the client named no host that could be one. */
export function knownOriginOf(req: IncomingMessage, publicUrl: string | undefined): string | undefined {
  if (publicUrl !== undefined) return publicUrl;
  const host = req.headers.host ?? '';
  return HOST.test(host) ? `${schemeOf(req)}://${host}` : undefined;
}

function schemeOf(req: IncomingMessage): 'http' | 'https' {
  return 'encrypted' in req.socket ? 'https' : 'http';
}

/** The host of an origin, with its port: the name of a registry has no scheme and no path. */
export function hostOf(origin: string): string {
  return origin.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}
