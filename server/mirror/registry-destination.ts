/** Another registry as a destination. OCI distribution specification, "Push". */
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { type Digest, isDigest } from '../oci/digest.js';
import { type Descriptor, parseManifest } from '../oci/manifest.js';
import { MANIFEST_TYPES } from '../oci/media-type.js';
import { parseRepositoryName, type Reference, type RepositoryName, type Tag } from '../oci/reference.js';
import type { Reply } from '../registry/upstream/dial.js';
import type { Question } from '../registry/upstream/endpoint.js';
import { upstreamFailed } from '../registry/upstream/failures.js';
import { fetchTags } from '../registry/upstream/fetch-list.js';
import type { FetchedManifest } from '../registry/upstream/fetch-manifest.js';
import type { Source } from '../registry/upstream/source.js';
import type { BringBlob, Destination, Keeping } from './destination.js';
import { noteReferrer } from './note-referrer.js';
import { MIRROR_TIMING } from './origin.js';
import type { PartFiles } from './part-files.js';

/** A registry, and where in it. */
export interface RegistryPlace {
  readonly source: Source;
  /** Stands before the name of each repository; empty for none. */
  readonly prefix: string;
  /** Where blobs wait until they are known to be right. */
  readonly parts: PartFiles;
  readonly signal: AbortSignal;
}

const TRIES = 6;
/** How often a blob is sent before it is given up. */
const SENDINGS = 3;
const READ_BYTES = 512 * 1024;

type Asking = Omit<Question, 'verified' | 'tries' | 'signal' | 'actions' | 'name'> &
  Partial<Pick<Question, 'tries' | 'actions'>>;

/** Images in another registry. */
export class RegistryDestination implements Destination {
  readonly takesParts = false;
  readonly #place: RegistryPlace;
  /** Repositories that are known to have a blob, and may lend it to others. */
  readonly #lenders = new Map<Digest, string>();

  constructor(place: RegistryPlace) {
    this.#place = place;
  }

  get label(): string {
    const { source, prefix } = this.#place;
    return prefix === '' ? source.name : `${source.name}/${prefix}`;
  }

  async current(repository: RepositoryName, { tag, digest }: Reference): Promise<Digest | undefined> {
    const headers = { accept: MANIFEST_TYPES.join(', ') };
    const reply = await this.#ask(repository, {
      method: 'HEAD',
      what: `manifests/${digest ?? tag}`,
      headers,
    });
    reply?.drop();
    const told = reply?.headers['docker-content-digest'];
    return typeof told === 'string' && isDigest(told) ? told : undefined;
  }

  async manifest(): Promise<Buffer | undefined> {
    return undefined;
  }

  async hasBlob(repository: RepositoryName, { digest }: Descriptor): Promise<boolean> {
    const reply = await this.#ask(repository, { method: 'HEAD', what: `blobs/${digest}` });
    reply?.drop();
    if (reply !== undefined) this.#lenders.set(digest, this.#nameOf(repository));
    return reply !== undefined;
  }

  async putBlob(repository: RepositoryName, blob: Descriptor, bring: BringBlob): Promise<void> {
    if (await this.hasBlob(repository, blob)) return;
    const { digest } = blob;
    if (await this.#mount(repository, digest)) return;
    const path = await bring(this.#place.parts);
    try {
      await this.#send(repository, digest, path);
      this.#lenders.set(digest, this.#nameOf(repository));
    } finally {
      await rm(path, { force: true });
    }
  }

  async putManifest(repository: RepositoryName, fetched: FetchedManifest, { tag }: Keeping): Promise<void> {
    const { bytes, digest } = fetched;
    const { mediaType, subject } = parseManifest(bytes, fetched.contentType);
    const put = async (reference: string, sent: Buffer, type: string): Promise<Reply> => {
      const headers = { 'content-type': type };
      const asking = { method: 'PUT', what: `manifests/${reference}`, headers, body: () => sent } as const;
      const reply = await this.#must(repository, asking);
      reply.drop();
      return reply;
    };
    const reply = await put(tag ?? digest, bytes, mediaType);
    if (subject === undefined || reply.headers['oci-subject'] !== undefined) return;
    await noteReferrer(fetched, subject.digest, {
      read: async (listTag) => {
        const headers = { accept: MANIFEST_TYPES.join(', ') };
        const found = await this.#ask(repository, { method: 'GET', what: `manifests/${listTag}`, headers });
        return found?.body;
      },
      write: async (listTag, list, type) => void (await put(listTag, list, type)),
    });
  }

  async tags(repository: RepositoryName): Promise<readonly Tag[]> {
    const { source, signal } = this.#place;
    const { manifest: withinMs } = MIRROR_TIMING;
    const name = parseRepositoryName(`${source.folder}/${this.#nameOf(repository)}`);
    const haste = { tries: TRIES, withinMs, allWithinMs: withinMs, signal };
    return (await fetchTags(source, name, haste))?.items ?? [];
  }

  async removeTag(repository: RepositoryName, tag: Tag): Promise<void> {
    const asking = { method: 'DELETE', what: `manifests/${tag}`, actions: 'delete' } as const;
    (await this.#ask(repository, asking))?.drop();
  }

  close(): Promise<void> {
    return this.#place.parts.sweep();
  }

  #nameOf(repository: RepositoryName): RepositoryName {
    const { prefix } = this.#place;
    return prefix === '' ? repository : parseRepositoryName(`${prefix}/${repository}`);
  }

  /** @returns whether another repository lent it */
  async #mount(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const lender = this.#lenders.get(digest);
    if (lender === undefined) return false;
    const query = new URLSearchParams({ mount: digest, from: lender });
    const reply = await this.#must(repository, { method: 'POST', what: `blobs/uploads/?${query}` });
    reply.drop();
    if (reply.status === 201) return true;
    const url = this.#locationOf(reply, repository);
    const ended = await this.#ask(repository, { method: 'DELETE', what: '', url }).catch(() => undefined);
    ended?.drop();
    return false;
  }

  /** What was sent in part is not gone on with: it is at hand, and the registry may have kept anything. */
  async #send(repository: RepositoryName, digest: Digest, path: string): Promise<void> {
    const { size } = await stat(path);
    for (let sending = 1; ; sending += 1) {
      try {
        const begun = await this.#must(repository, { method: 'POST', what: 'blobs/uploads/' });
        begun.drop();
        const url = this.#locationOf(begun, repository);
        url.searchParams.set('digest', digest);
        const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) };
        const body = () => createReadStream(path, { highWaterMark: READ_BYTES });
        const sent = await this.#must(repository, { method: 'PUT', what: '', url, headers, body, tries: 1 });
        sent.drop();
        return;
      } catch (error) {
        if (sending === SENDINGS || this.#place.signal.aborted) throw error;
      }
    }
  }

  /** A proxy in front may have made the registry forget that it is spoken to by TLS. */
  #locationOf({ headers }: Reply, repository: RepositoryName): URL {
    const { source } = this.#place;
    const base = source.address;
    const { location } = headers;
    if (typeof location !== 'string' || !URL.canParse(location, base.href)) {
      throw upstreamFailed(source.name, `does not say where an upload to ${repository} goes on`);
    }
    const url = new URL(location, base);
    if (url.host === base.host) url.protocol = base.protocol;
    return url;
  }

  async #must(repository: RepositoryName, asking: Asking): Promise<Reply> {
    const reply = await this.#ask(repository, asking);
    if (reply !== undefined) return reply;
    throw upstreamFailed(
      this.#place.source.name,
      `knows no ${this.#nameOf(repository)}, or does not take pushes`,
    );
  }

  async #ask(repository: RepositoryName, asking: Asking): Promise<Reply | undefined> {
    const { source, signal } = this.#place;
    const name = this.#nameOf(repository);
    const answer = await source.ask({
      actions: 'pull,push',
      tries: TRIES,
      ...asking,
      name,
      verified: false,
      signal,
    });
    return answer?.reply;
  }
}
