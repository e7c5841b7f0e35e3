/** From what somebody asked for to the files of a machine. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DepotError, fileError, isMissing } from '../errors.js';
import type { Certificate } from '../openpgp/certificate.js';
import type { Publication } from '../openpgp/published-keys.js';
import { type CaCertificate, parseCaCertificate } from './ca-certificate.js';
import type { ClientTexts } from './client-file.js';
import { composeClients } from './compose.js';
import type { ClientFormat } from './format-names.js';
import { renderClients } from './formats.js';
import { parseKinds } from './kinds.js';
import { type RewrittenManifests, rewriteManifests } from './kubernetes.js';
import { parseClientOptions, type RawOptions } from './options.js';
import { type Login, type Site, siteOf } from './site.js';

/** Whose machines are meant, untrusted as far as it is text. */
export interface SiteRequest {
  readonly options: RawOptions;
  /** The depot's address where the options name none. */
  readonly address: string | undefined;
  /** The folder of keys, and what it publishes. */
  readonly keysDir: string;
  readonly publication: () => Promise<Publication>;
  /** A PEM file in the place of the `ca.crt` in the folder of keys. */
  readonly caFile?: string | undefined;
  /** How machines log in. */
  readonly login?: Login | undefined;
}

/** Which files are wanted. */
export interface ClientRequest extends SiteRequest {
  /** Names of kinds, with commas. */
  readonly kinds: string;
  readonly format: ClientFormat;
  /** The text of a machine's own file that is to be joined. */
  readonly existing?: string | undefined;
}

/** The files of a machine, and the form that was asked for. */
export interface ClientConfiguration extends ClientTexts {
  readonly rendered: string | Buffer;
}

/**
 * Makes the files that a machine needs for this depot.
 *
 * @throws DepotError `USAGE`: an option, a kind or a mix of them that cannot be; `KEY_MISSING`: there is nothing to
 *   trust; `CERTIFICATE_INVALID`: the authority's file is none
 */
export async function configureClient(request: ClientRequest): Promise<ClientConfiguration> {
  const kinds = parseKinds(request.kinds);
  const texts = composeClients(kinds, await readSite(request), request.existing);
  return { ...texts, rendered: renderClients(request.format, texts) };
}

/**
 * Gives images in manifests of Kubernetes their names in the depot.
 *
 * @throws DepotError as {@link configureClient}
 */
export async function configureManifests(text: string, request: SiteRequest): Promise<RewrittenManifests> {
  return rewriteManifests(text, await readSite(request));
}

async function readSite(request: SiteRequest): Promise<Site> {
  const { options, address, publication } = request;
  return siteOf(parseClientOptions(options), {
    address,
    keys: certificatesIn(await publication().catch(unlessMissing)),
    ca: await readAuthority(request),
    login: request.login,
    now: new Date(),
  });
}

/** Many kinds need no key, so its folder need not be there. */
function unlessMissing(error: unknown): undefined {
  if (error instanceof DepotError && error.code === 'NOT_FOUND') return undefined;
  throw error;
}

function certificatesIn(publication: Publication | undefined): readonly Certificate[] {
  return publication?.keys.map(({ certificate }) => certificate) ?? [];
}

async function readAuthority({ keysDir, caFile }: SiteRequest): Promise<CaCertificate | undefined> {
  const path = caFile ?? join(keysDir, 'ca.crt');
  try {
    return parseCaCertificate(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (caFile === undefined && isMissing(error)) return undefined;
    throw fileError(error, path);
  }
}
