/** Where machines find the depot, checked so that it may stand in any format and any script as it is. */
import { isIPv4, isIPv6 } from 'node:net';
import { DepotError } from '../errors.js';

declare const checked: unique symbol;

/** `host`, `host:port` or `[IPv6]:port`: lower case, no scheme, no path; letters, digits and `. - : [ ]` only. */
export type HostPort = string & { readonly [checked]: 'host:port' };

/** An http or https URL without a slash at its end; its path has letters, digits and `. _ ~ % / -` only. */
export type BaseUrl = string & { readonly [checked]: 'url' };

const HOST_PORT = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::([1-9]\d{0,4}))?$/;
const LABELS = /^(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;
const BASE_URL = /^(https?):\/\/([^/?#]+)((?:\/[A-Za-z0-9._~%-]+)*)\/*$/i;

/**
 * Reads the name of a registry as clients write it before an image.
 *
 * @param what - the option or place that it comes from, for the message
 * @throws DepotError `USAGE`
 */
export function parseHostPort(text: string, what: string): HostPort {
  const lower = text.toLowerCase();
  if (isHostPort(lower)) return lower;
  const message = `${what}: expected host or host:port such as depot.example.com:5000 (no scheme, no path), got ${JSON.stringify(text)}`;
  throw new DepotError('USAGE', message);
}

/** Whether a text is one. */
export function isHostPort(text: string): text is HostPort {
  const [, host = '', port] = HOST_PORT.exec(text) ?? [];
  if (port !== undefined && Number(port) > 65_535) return false;
  return host.startsWith('[') ? isIPv6(host.slice(1, -1)) : isIPv4(host) || isDnsName(host);
}

/** Four numbers that are no IPv4 address are no name either: resolvers disagree about them. */
function isDnsName(host: string): boolean {
  return LABELS.test(host) && !/^[\d.]+$/.test(host);
}

/**
 * Reads the address of a depot or another server.
 *
 * @throws DepotError `USAGE`
 */
export function parseBaseUrl(text: string, what: string): BaseUrl {
  const [, scheme = '', authority = '', path = ''] = BASE_URL.exec(text) ?? [];
  const url = `${scheme.toLowerCase()}://${authority.toLowerCase()}${path}`;
  if (isBaseUrl(url)) return url;
  const message = `${what}: expected an address such as http://depot.example.com:8080, got ${JSON.stringify(text)}`;
  throw new DepotError('USAGE', message);
}

function isBaseUrl(text: string): text is BaseUrl {
  return isHostPort(BASE_URL.exec(text)?.[2] ?? '');
}

/** The host without its port; an IPv6 address without its brackets. */
export function hostName(address: HostPort): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** The host and port of a URL as clients name a registry: a name that could be a folder of Docker's hub gets its port. */
export function registryOf(url: BaseUrl): HostPort {
  const authority = url.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  const plain = authority.includes('.') || authority.includes(':') || authority === 'localhost';
  return parseHostPort(plain ? authority : `${authority}:${isTls(url) ? 443 : 80}`, 'the address');
}

/** Whether a URL is an https one. */
export function isTls(url: BaseUrl): boolean {
  return url.startsWith('https:');
}

/** Whether an address means another thing on each machine. */
export function isLoopback(address: HostPort): boolean {
  const host = hostName(address);
  return host === 'localhost' || host.endsWith('.localhost') || /^127\./.test(host) || host === '::1';
}

/** Whether an image's name may begin with it: Docker takes a first part without dot and port for one of its hub. */
export function isRegistryName(address: HostPort): boolean {
  return /[.:]/.test(address) || address === 'localhost';
}
