/** The fields of HTTP by which clients log in. RFC 7235; RFC 7617 (Basic); RFC 6750 (Bearer). */
import type { Credentials } from '../../index.js';

/** What an `Authorization` field says; `unreadable`: it is there, and nothing that could be right. */
export type Authorization =
  | { readonly scheme: 'none' | 'unreadable' }
  | { readonly scheme: 'basic'; readonly credentials: Credentials }
  | { readonly scheme: 'bearer'; readonly token: string };

/** Asks for a name and a password. */
export const BASIC_CHALLENGE = 'Basic realm="bootdepot"';

/**
 * Asks for a token. Clients that ping first need this one: asked for a name and a password they would refuse to go on
 * without, also where they only want to read what is open to all. A token they can have for nobody.
 *
 * @param origin - how the client reached this server, without a slash at its end
 * @param scope - such as `repository:coreos/etcd:pull,push`
 */
export function bearerChallenge(origin: string, scope?: string): string {
  const wanted = scope === undefined ? '' : `,scope="${scope}"`;
  return `Bearer realm="${origin}/v2/token",service="bootdepot"${wanted}`;
}

/** Reads the field. An empty name with an empty password is what some clients send for nobody. */
export function readAuthorization(field: string | undefined): Authorization {
  if (field === undefined) return { scheme: 'none' };
  const [, scheme, text = ''] = /^(basic|bearer) +([\w+/.~-]+=*) *$/i.exec(field) ?? [];
  if (scheme === undefined) return { scheme: 'unreadable' };
  if (scheme.toLowerCase() === 'bearer') return { scheme: 'bearer', token: text };
  const plain = Buffer.from(text, 'base64').toString();
  const colon = plain.indexOf(':');
  if (plain === ':') return { scheme: 'none' };
  if (colon < 1) return { scheme: 'unreadable' };
  return { scheme: 'basic', credentials: { user: plain.slice(0, colon), password: plain.slice(colon + 1) } };
}
