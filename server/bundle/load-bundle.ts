/** Taking a bundle in: nothing of it can be seen before it was checked. */
import type { AssetsFolder } from '../assets/asset.js';
import { DepotError } from '../errors.js';
import type { Certificate } from '../openpgp/certificate.js';
import type { Registry } from '../registry/open-registry.js';
import { type ChosenContents, chooseContents } from './choose-contents.js';
import type { BundledRepository, Contents, PlacedFile } from './contents.js';
import { AssetLoading } from './load-assets.js';
import { BlobLoading, type LoadedManifest } from './load-blobs.js';
import { loadCertificate, loadLookaside } from './load-vouchers.js';
import { signedRoot } from './paths.js';
import { type BundleEntry, openTrustedBundle } from './read-bundle.js';

/** Where the content of a bundle goes. */
export interface LoadTarget {
  readonly registry: Registry;
  readonly assets: AssetsFolder;
  readonly keysDir: string;
  readonly lookasideDir: string;
}

/** What is to be taken in. */
export interface LoadRequest extends LoadTarget {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Whose bundles are taken. */
  readonly keyring: readonly Certificate[];
  /** Globs of images and of files; by default everything. */
  readonly only?: readonly string[] | undefined;
  readonly now: Date;
  /** Asked about what is to be taken in before any of it is; throws to refuse. */
  readonly admit?: ((repositories: readonly BundledRepository[]) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes the files have, and then of each piece of them. */
  readonly onTotal?: ((bytes: number) => void) | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** What came of it. */
export interface LoadedBundle {
  /** Of the certificate whose key signed it. */
  readonly signer: string;
  /** Files that are here now and were not before. */
  readonly added: number;
  /** Their bytes. */
  readonly addedBytes: number;
  /** Files that were here already. */
  readonly present: number;
  /** Files that were not wanted. */
  readonly passedOver: number;
  readonly manifests: readonly LoadedManifest[];
}

/**
 * Takes a bundle in, in one pass. What was taken in whole before a failure stays, and the next time it is here already.
 *
 * @throws DepotError `BUNDLE_UNTRUSTED`; `BUNDLE_INVALID`: with the file whose bytes are wrong; `BUNDLE_BASE_MISSING`: with what a
 *   difference needs; `ACCESS_DENIED`: a tag is set once; `DISK_FULL`, `INTERRUPTED`, `IO_FAILED`
 */
export async function loadBundle(request: LoadRequest): Promise<LoadedBundle> {
  const bundle = await openTrustedBundle(request);
  try {
    const { signer } = bundle;
    const loading = new Loading(request, chooseContents(bundle.contents, request.only));
    return { signer, ...(await loading.all(bundle.contents, bundle.files())) };
  } finally {
    await bundle.close();
  }
}

/** One bundle on its way into one depot. */
class Loading {
  readonly #request: LoadRequest;
  readonly #chosen: ChosenContents;
  readonly #blobs: BlobLoading;
  readonly #assets: AssetLoading;
  readonly #counts = { added: 0, addedBytes: 0, present: 0, passedOver: 0 };

  constructor(request: LoadRequest, chosen: ChosenContents) {
    this.#request = request;
    this.#chosen = chosen;
    this.#blobs = new BlobLoading(request.registry, chosen.repositories);
    this.#assets = new AssetLoading(request.assets);
  }

  async all(
    { base, files }: Contents<PlacedFile>,
    entries: AsyncIterable<BundleEntry>,
  ): Promise<Omit<LoadedBundle, 'signer'>> {
    const { admit, onTotal, registry } = this.#request;
    admit?.(this.#chosen.repositories);
    await this.#blobs.expectTags();
    await this.#expectBase(base?.files.filter(this.#chosen.wants) ?? []);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    await registry.space.expect(await this.#missingBytes(files));
    onTotal?.(bytes);
    const groupEnds = endsOfGroups(files);
    try {
      for await (const entry of entries) {
        await this.#take(entry);
        if (groupEnds.has(entry.file)) await this.#assets.settle();
      }
    } finally {
      await this.#assets.discard();
    }
    return { ...this.#counts, manifests: await this.#blobs.finish() };
  }

  /** What a difference does not repeat must be here. */
  async #expectBase(files: readonly PlacedFile[]): Promise<void> {
    const missing: string[] = [];
    for (const file of files) {
      const { place, path } = file;
      const isMissing =
        (place.kind === 'blob' && !(await this.#blobs.holds(file))) ||
        (place.kind === 'asset' && !(await this.#assets.has(file, place.parts)));
      if (isMissing) missing.push(path);
    }
    if (missing.length > 0) throw baseMissing(missing);
    for (const { place } of files) if (place.kind === 'blob') await this.#blobs.link(place.digest);
  }

  /** A rough figure, for a disk that is far too small. */
  async #missingBytes(files: readonly PlacedFile[]): Promise<number> {
    let bytes = 0;
    for (const file of files.filter(this.#chosen.wants)) {
      if (file.place.kind !== 'blob') continue;
      if ((await this.#request.registry.content.find(file.place.digest)) === undefined) bytes += file.size;
    }
    return bytes;
  }

  async #take(entry: BundleEntry): Promise<void> {
    const { file } = entry;
    const body = this.#watched(entry.body);
    const outcome = this.#chosen.wants(file) ? await this.#put({ file, body }) : 'passedOver';
    // What was not read is read now: it is checked like all else.
    for await (const _ of body);
    this.#counts[outcome] += 1;
    if (outcome === 'added') this.#counts.addedBytes += file.size;
  }

  async #put({ file, body }: BundleEntry): Promise<'added' | 'present' | 'passedOver'> {
    const { place } = file;
    const { keysDir, lookasideDir } = this.#request;
    switch (place.kind) {
      case 'list':
        return 'passedOver';
      case 'key':
        return (await loadCertificate({ file, body }, place.fingerprint, keysDir)) ? 'added' : 'present';
      case 'lookaside':
        return (await loadLookaside({ file, body }, place, lookasideDir)) ? 'added' : 'present';
      case 'asset': {
        if (await this.#assets.has(file, place.parts)) return 'present';
        await this.#assets.take(place.parts, body);
        return 'added';
      }
      case 'blob': {
        const isHere = await this.#blobs.has(place.digest);
        if (!isHere) await this.#blobs.take(place.digest, body);
        await this.#blobs.link(place.digest);
        return isHere ? 'present' : 'added';
      }
    }
  }

  #watched(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const { signal, onBytes } = this.#request;
    const bytes = body[Symbol.asyncIterator]();
    const next = async () => {
      if (signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted: what was loaded whole stays');
      const result = await bytes.next();
      if (result.done !== true) onBytes?.(result.value.length);
      return result;
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }
}

/** The last file of each that stand together: an asset and its signatures. */
function endsOfGroups(files: readonly PlacedFile[]): ReadonlySet<PlacedFile> {
  const roots = new Map<string, PlacedFile>();
  for (const file of files) if (file.place.kind === 'asset') roots.set(signedRoot(file.path), file);
  return new Set(roots.values());
}

const MOST_NAMED = 20;

function baseMissing(missing: readonly string[]): DepotError {
  const more = missing.length > MOST_NAMED ? ` and ${missing.length - MOST_NAMED} more` : '';
  const names = missing.slice(0, MOST_NAMED).join(', ') + more;
  const message = `the bundle is a difference, and what it rests on is not here: load the base first; missing: ${names}`;
  return new DepotError('BUNDLE_BASE_MISSING', message, { missing: missing.length });
}
