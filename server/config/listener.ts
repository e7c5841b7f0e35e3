/** Where the server listens, as a configuration writes it: `127.0.0.1:8080`, `https://[::1]:8443`, `unix:/run/x`. */
import { isIPv6 } from 'node:net';

/** One address to listen on. */
export interface Listener {
  /** As it was written. */
  readonly text: string;
  readonly tls: boolean;
  /** A TCP address (`host` undefined: all addresses of this machine; port 0: any free one), or a socket file. */
  readonly at: { readonly host: string | undefined; readonly port: number } | { readonly path: string };
}

const ADDRESS = /^(?:(https?):\/\/)?(?:\[([^\]]+)\]|([^\s:/[\]@?#]*)):(\d{1,5})\/?$/i;
const SOCKET_FILE = /^unix:(\/.+)$/;

/**
 * Reads a listener: `host:port`, `[IPv6]:port`, `:port` or `*:port` (all addresses), each also after
 * `http://` or `https://`; or `unix:/path`.
 *
 * @returns the listener, or `undefined` for any other text
 */
export function parseListener(text: string): Listener | undefined {
  const path = SOCKET_FILE.exec(text)?.[1];
  if (path !== undefined) return { text, tls: false, at: { path } };
  const [whole, scheme, ipv6, name, digits] = ADDRESS.exec(text) ?? [];
  const port = Number(digits);
  if (whole === undefined || port > 65_535) return undefined;
  if (ipv6 !== undefined && !isIPv6(ipv6)) return undefined;
  const host = ipv6 ?? name;
  const everywhere = host === undefined || host === '' || host === '*';
  return { text, tls: scheme?.toLowerCase() === 'https', at: { host: everywhere ? undefined : host, port } };
}
