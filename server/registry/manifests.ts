/** Manifests of a repository, kept as the bytes that came. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { createPendingFile } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import type { FreeSpace } from '../disk/free-space.js';
import type { Watch } from '../disk/known-files.js';
import { DepotError, fileError } from '../errors.js';
import { algorithmOf, type Digest, digestOf } from '../oci/digest.js';
import { blobsOf, type Manifest, parseManifest } from '../oci/manifest.js';
import type { Reference, RepositoryName, Tag } from '../oci/reference.js';
import type { Blobs } from './blobs.js';
import type { Content } from './content.js';
import type { Layout } from './layout.js';
import { takeLeases, tryLeases } from './leases.js';
import { readLink, readLinkOf, writeLink } from './links.js';
import type { Precondition } from './precondition.js';
import { describeReferrer, type Referrers } from './referrers.js';
import type { Tags } from './tags.js';
import { throwAway } from './trash.js';
import { Turns } from './turns.js';

/** The largest manifest that is kept, in bytes. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** Every grace that makes sense is longer. */
const HELD_FOR_SURE_MS = 500;

/** A manifest as it was sent. */
export interface StoredManifest {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly manifest: Manifest;
}

/** What a client wants to be kept. */
export interface NewManifest {
  readonly bytes: Buffer;
  /** The field it came with. */
  readonly contentType: string | undefined;
  /** Tags beside the one it is addressed by. */
  readonly tags: readonly Tag[];
  /** What must be there now: of each tag, or without tags of the digest it is addressed by. */
  readonly precondition?: Precondition;
}

/** What the manifests need of the other parts of a registry. */
export interface ManifestParts {
  readonly layout: Layout;
  readonly content: Content;
  readonly blobs: Blobs;
  readonly tags: Tags;
  readonly referrers: Referrers;
  readonly space: FreeSpace;
  /** Whether a manifest is taken while what it refers to is not here. */
  readonly allowSparse: boolean;
}

/** The manifests of one registry folder. */
export class Manifests {
  readonly #parts: ManifestParts;
  readonly #turns = new Turns();

  constructor(parts: ManifestParts) {
    this.#parts = parts;
  }

  /**
   * Finds a manifest by tag or digest; `undefined` if the repository has it not, or its bytes are gone or wrong.
   *
   * @param watch - told of each file that the answer rests on
   */
  async find(
    repository: RepositoryName,
    reference: Reference,
    watch?: Watch,
  ): Promise<StoredManifest | undefined> {
    const { layout, content, tags } = this.#parts;
    if (reference.tag !== undefined) await watch?.(layout.tagLink(repository, reference.tag));
    const asked = reference.digest ?? (await tags.current(repository, reference.tag));
    if (asked === undefined) return undefined;
    await watch?.(layout.revisionLink(repository, asked));
    const digest = await readLinkOf(asked, layout.revisionLink(repository, asked));
    if (digest === undefined) return undefined;
    await watch?.(layout.data(digest));
    const bytes = await content.read(digest, MAX_MANIFEST_BYTES);
    if (bytes === undefined) return undefined;
    return { digest: asked, bytes, manifest: parseManifest(bytes, undefined) };
  }

  /**
   * Keeps a manifest and sets its tags, the last step of a push: whoever sees a tag finds all it refers to.
   *
   * @throws DepotError `MANIFEST_INVALID`, `DIGEST_INVALID`, `MANIFEST_BLOB_UNKNOWN` (with others of its kind), `DISK_FULL`,
   *   `ACCESS_DENIED` (a tag that is set once), `PRECONDITION_FAILED`
   */
  async put(repository: RepositoryName, reference: Reference, sent: NewManifest): Promise<StoredManifest> {
    const { layout } = this.#parts;
    const { bytes } = sent;
    const manifest = parseManifest(bytes, sent.contentType);
    const digest = digestFor(reference, bytes);
    await this.#parts.space.expect(bytes.length);
    return this.#turns.run(`${repository}@${digest}`, async () => {
      const wanted = reference.tag === undefined ? sent.tags : [reference.tag, ...sent.tags];
      for (const tag of wanted) await this.#parts.tags.expect(repository, tag, digest, sent.precondition);
      if (wanted.length === 0) sent.precondition?.(await readLink(layout.revisionLink(repository, digest)));
      const holdParts = async () => {
        await takeLeases(layout, this.#needs(repository, digest, manifest));
        await this.#expectParts(repository, manifest);
      };
      await holdParts();
      const heldAt = performance.now();
      await this.#keep(digest, bytes);
      await this.#link(repository, { digest, bytes, manifest });
      // On a disk that is so slow a short grace may be over; from here on the manifest itself holds its parts.
      if (performance.now() - heldAt > HELD_FOR_SURE_MS) await holdParts();
      for (const tag of wanted) await this.#parts.tags.set(repository, tag, digest, sent.precondition);
      return { digest, bytes, manifest };
    });
  }

  /**
   * Keeps a manifest whose parts may not be here yet: those of an upstream are fetched when somebody asks for them.
   *
   * @param digest - what the bytes were found to match
   * @throws DepotError `MANIFEST_INVALID`, `DISK_FULL`, `ACCESS_DENIED` (a tag that is set once)
   */
  async keep(repository: RepositoryName, digest: Digest, sent: NewManifest): Promise<StoredManifest> {
    const { layout, space, tags } = this.#parts;
    const { bytes } = sent;
    const manifest = parseManifest(bytes, sent.contentType);
    await space.expect(bytes.length);
    return this.#turns.run(`${repository}@${digest}`, async () => {
      await takeLeases(layout, this.#needs(repository, digest, manifest));
      await this.#keep(digest, bytes);
      await this.#link(repository, { digest, bytes, manifest });
      for (const tag of sent.tags) await tags.set(repository, tag, digest, sent.precondition);
      return { digest, bytes, manifest };
    });
  }

  /** The links without which a manifest would be broken; and those it gives new weight to. */
  #needs(repository: RepositoryName, digest: Digest, manifest: Manifest): string[] {
    const { layout } = this.#parts;
    const { manifests, subject } = manifest;
    const revisions = [digest, ...[...manifests, ...(subject ? [subject] : [])].map((each) => each.digest)];
    return [
      // An empty one may be about to be removed.
      layout.repository(repository),
      ...blobsOf(manifest).map((blob) => layout.layerLink(repository, blob.digest)),
      ...revisions.map((revision) => layout.revisionLink(repository, revision)),
    ];
  }

  /** Who speaks of a subject is noted before it can be seen: a note without a manifest does not count. */
  async #link(repository: RepositoryName, { digest, bytes, manifest }: StoredManifest): Promise<void> {
    const { layout, referrers } = this.#parts;
    if (manifest.subject !== undefined) {
      const referrer = describeReferrer(digest, bytes.length, manifest);
      await referrers.add(repository, manifest.subject.digest, referrer);
    }
    // The reference finds repositories by this folder, and removes live manifests of those without it.
    await makeDurableFolder(layout.layers(repository));
    await writeLink(layout, layout.revisionLink(repository, digest), digest);
  }

  /** Gives what was found by digest a new lease: the client may be about to push an index of it. */
  async lease(repository: RepositoryName, digest: Digest): Promise<void> {
    const { layout } = this.#parts;
    await tryLeases(layout, [layout.revisionLink(repository, digest)]);
  }

  /**
   * Takes a manifest from a repository, and the tags that have it.
   *
   * @throws DepotError `MANIFEST_UNKNOWN`; `ACCESS_DENIED`: one of the tags is set once, and nothing is removed
   */
  async remove(repository: RepositoryName, digest: Digest): Promise<void> {
    const { layout, referrers, tags } = this.#parts;
    await this.#turns.run(`${repository}@${digest}`, async () => {
      const link = layout.revisionLink(repository, digest);
      if ((await readLink(link)) === undefined) {
        throw new DepotError('MANIFEST_UNKNOWN', 'the repository has no such manifest', { digest });
      }
      const subject = (await this.find(repository, { digest }))?.manifest.subject;
      const pointing = await tags.pointingAt(repository, digest);
      for (const tag of pointing) await tags.expect(repository, tag, undefined);
      for (const tag of pointing) await tags.remove(repository, tag, digest);
      await throwAway(layout, dirname(link));
      if (subject !== undefined) await referrers.remove(repository, subject.digest, digest);
    });
  }

  async #expectParts(repository: RepositoryName, manifest: Manifest): Promise<void> {
    const { allowSparse, blobs, layout } = this.#parts;
    if (allowSparse) return;
    const missing: Digest[] = [];
    for (const part of blobsOf(manifest)) {
      if ((await blobs.find(repository, part.digest)) === undefined) missing.push(part.digest);
    }
    for (const child of manifest.manifests) {
      const link = await readLink(layout.revisionLink(repository, child.digest));
      if (link === undefined) missing.push(child.digest);
    }
    const [first, ...others] = new Set(missing);
    if (first !== undefined)
      throw unknownPart(
        first,
        others.map((digest) => unknownPart(digest)),
      );
  }

  async #keep(digest: Digest, bytes: Buffer): Promise<void> {
    const { content, layout } = this.#parts;
    await content.lease(digest);
    if ((await content.read(digest, MAX_MANIFEST_BYTES)) !== undefined) return;
    await makeDurableFolder(layout.stage);
    const pending = await createPendingFile(layout.data(digest), { stage: layout.stage });
    try {
      await pending.handle.writeFile(bytes);
      await pending.handle.sync();
      await content.place(digest, pending.temporaryPath);
    } catch (error) {
      throw fileError(error, layout.data(digest));
    } finally {
      await pending.discard();
    }
  }
}

function unknownPart(digest: Digest, others: readonly DepotError[] = []): DepotError {
  const message = 'the manifest refers to what the repository has not';
  return new DepotError('MANIFEST_BLOB_UNKNOWN', message, { digest }, { others });
}

function digestFor(reference: Reference, bytes: Buffer): Digest {
  const algorithm = reference.digest === undefined ? 'sha256' : algorithmOf(reference.digest);
  const digest = digestOf(algorithm, createHash(algorithm).update(bytes).digest('hex'));
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw new DepotError('DIGEST_INVALID', 'the manifest does not match the digest it is addressed by', {
      digest,
    });
  }
  return digest;
}
