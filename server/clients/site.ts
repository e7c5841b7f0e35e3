/** A depot as its machines see it: what every kind of configuration is made from. */
import { DepotError } from '../errors.js';
import type { Certificate } from '../openpgp/certificate.js';
import {
  type BaseUrl,
  type HostPort,
  isLoopback,
  isRegistryName,
  isTls,
  parseBaseUrl,
  parseHostPort,
  registryOf,
} from './address.js';
import type { CaCertificate } from './ca-certificate.js';
import type { ClientOptions } from './options.js';

/** How a machine logs in where reading needs a user. */
export interface Login {
  readonly user: string;
  readonly password: string;
}

/** The input of every kind, checked. */
export interface Site {
  readonly registry: HostPort;
  readonly depot: BaseUrl;
  /** Whether the registry speaks TLS. */
  readonly tls: boolean;
  /** The authority that vouches for the registry; only where it speaks TLS and is verified. */
  readonly ca: CaCertificate | undefined;
  /** Whether clients have to be told to take it as it is: no TLS, or an unverified certificate. */
  readonly insecure: boolean;
  /** What clients may trust, the current one first; none that is revoked or expired. */
  readonly keys: readonly Certificate[];
  readonly login: Login | undefined;
  readonly options: ClientOptions;
  /** What is wrong with the address, a sentence each. */
  readonly warnings: readonly string[];
}

/** What a site is made of beside its options. */
export interface SiteFacts {
  /** The depot's address where the options name none; untrusted. */
  readonly address: string | undefined;
  readonly keys: readonly Certificate[];
  readonly ca: CaCertificate | undefined;
  readonly login: Login | undefined;
  readonly now: Date;
}

/**
 * Puts a site together.
 *
 * @throws DepotError `USAGE`: no address is known, or the registry's name cannot stand before an image
 */
export function siteOf(options: ClientOptions, { address, keys, ca, login, now }: SiteFacts): Site {
  const depot = depotOf(options, address);
  const registry = options.registry ?? registryOf(depot);
  if (!isRegistryName(registry)) {
    const message = `registry: clients take ${registry}/… for an image of Docker's hub: give its port or full name`;
    throw new DepotError('USAGE', message);
  }
  const tls = options.tls || isTls(depot);
  const insecure = !tls || options.insecure;
  return {
    registry,
    depot,
    tls,
    ca: insecure ? undefined : ca,
    insecure,
    keys: keys.filter((key) => !key.revoked && (key.expires === undefined || key.expires > now)),
    login: login && checkLogin(login),
    options,
    warnings: warningsFor(depot, registry),
  };
}

function depotOf({ depot, registry, tls }: ClientOptions, address: string | undefined): BaseUrl {
  if (depot !== undefined) return depot;
  if (address !== undefined) return parseBaseUrl(address, 'address');
  if (registry !== undefined) return parseBaseUrl(`${tls ? 'https' : 'http'}://${registry}`, 'registry');
  const message =
    'which address do machines know this depot by? give --depot http://depot.example.com:8080 or --registry, or set publicUrl';
  throw new DepotError('USAGE', message);
}

function warningsFor(depot: BaseUrl, registry: HostPort): string[] {
  const local = [...new Set([depotHost({ depot }), registry])].filter(isLoopback);
  return local.map(
    (address) => `${address} means each machine itself: it is right on the depot's own machine only`,
  );
}

/** @throws DepotError `USAGE`: it cannot stand in an Authorization header */
function checkLogin(login: Login): Login {
  const { user, password } = login;
  if (user === '' || user.includes(':') || password === '' || /\p{Cc}/u.test(user + password)) {
    throw new DepotError('USAGE', 'user: expected a name without colon and a password of one line');
  }
  return login;
}

/** The host and port of the depot itself. */
export function depotHost({ depot }: Pick<Site, 'depot'>): HostPort {
  return parseHostPort(depot.replace(/^https?:\/\//, '').replace(/\/.*$/, ''), 'depot');
}

/** The address of the registry with its scheme. */
export function registryUrl({ registry, tls }: Site): string {
  return `${tls ? 'https' : 'http'}://${registry}`;
}

/**
 * The keys, of which there must be one.
 *
 * @throws DepotError `KEY_MISSING`
 */
export function keysOf({ keys }: Site): readonly [Certificate, ...Certificate[]] {
  const [first, ...others] = keys;
  if (first !== undefined) return [first, ...others];
  throw new DepotError(
    'KEY_MISSING',
    'there is no certificate to trust: make a key with bootdepot key create',
  );
}
