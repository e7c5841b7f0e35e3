/** A folder in the OCI image layout as a destination; images keep their names in it. OCI image specification, image-layout.md. */
import { createHash } from 'node:crypto';
import { readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { syncFolder, writeFileAtomically } from '../disk/atomic-file.js';
import { makeDurableFolder } from '../disk/folders.js';
import { DepotError, fileError, isMissing } from '../errors.js';
import { algorithmOf, type Digest, hexOf, isDigest } from '../oci/digest.js';
import { type Descriptor, parseManifest } from '../oci/manifest.js';
import { OCI_INDEX } from '../oci/media-type.js';
import { isTag, type Reference, type RepositoryName, type Tag } from '../oci/reference.js';
import { MAX_MANIFEST_BYTES } from '../registry/manifests.js';
import { Turns } from '../registry/turns.js';
import type { FetchedManifest } from '../registry/upstream/fetch-manifest.js';
import type { BringBlob, Destination, Keeping } from './destination.js';
import { PartFiles } from './part-files.js';
import { isWhole, type Platforms } from './platforms.js';

/** Where a layout has the name of an image. */
const NAME = 'org.opencontainers.image.ref.name';
const ENTRY = z.looseObject({
  digest: z.string().refine(isDigest),
  annotations: z.record(z.string(), z.string()).optional(),
});
const INDEX = z.looseObject({ manifests: z.array(ENTRY) });

type Entry = z.output<typeof ENTRY>;

/** Images in a layout. */
export class OciDestination implements Destination {
  readonly takesParts = true;
  readonly label: string;
  readonly #folder: string;
  readonly #parts: PartFiles;
  readonly #turns = new Turns();

  /** @param folder - made when it is needed */
  constructor(folder: string) {
    this.label = `oci:${folder}`;
    this.#folder = folder;
    this.#parts = new PartFiles(join(folder, '.bootdepot'));
  }

  async current(
    repository: RepositoryName,
    reference: Reference,
    platforms: Platforms,
  ): Promise<Digest | undefined> {
    const name = nameOf(repository, reference);
    const entry = (await this.#entries()).find((each) => each.annotations?.[NAME] === name);
    if (entry === undefined) return undefined;
    const kept = {
      manifest: (digest: Digest) => this.manifest(repository, digest),
      hasBlob: (blob: Descriptor) => this.hasBlob(repository, blob),
    };
    return (await isWhole(kept, entry.digest, platforms)) ? entry.digest : undefined;
  }

  async manifest(_repository: RepositoryName, digest: Digest): Promise<Buffer | undefined> {
    const path = this.#blob(digest);
    const info = await stat(path).catch(() => undefined);
    if (info === undefined || info.size > MAX_MANIFEST_BYTES) return undefined;
    const bytes = await readFile(path);
    const hex = createHash(algorithmOf(digest)).update(bytes).digest('hex');
    return hex === hexOf(digest) ? bytes : undefined;
  }

  async hasBlob(_repository: RepositoryName, { digest, size }: Descriptor): Promise<boolean> {
    return (await stat(this.#blob(digest)).catch(() => undefined))?.size === size;
  }

  async putBlob(repository: RepositoryName, blob: Descriptor, bring: BringBlob): Promise<void> {
    if (await this.hasBlob(repository, blob)) return;
    const path = this.#blob(blob.digest);
    try {
      const part = await bring(this.#parts);
      await makeDurableFolder(dirname(path));
      await rename(part, path);
      await syncFolder(dirname(path));
    } catch (error) {
      throw fileError(error, path);
    }
  }

  async putManifest(
    repository: RepositoryName,
    { digest, bytes, contentType }: FetchedManifest,
    { tag, isChild }: Keeping,
  ): Promise<void> {
    const path = this.#blob(digest);
    await makeDurableFolder(dirname(path));
    await writeFileAtomically(path, bytes);
    if (isChild) return;
    const { mediaType, artifactType } = parseManifest(bytes, contentType);
    const name = nameOf(repository, tag === undefined ? { digest } : { tag });
    const entry: Entry = {
      mediaType,
      digest,
      size: bytes.length,
      ...(artifactType !== undefined && { artifactType }),
      annotations: { [NAME]: name },
    };
    await this.#change((entries) => [...entries.filter((each) => each.annotations?.[NAME] !== name), entry]);
  }

  async tags(repository: RepositoryName): Promise<Tag[]> {
    const names = (await this.#entries()).map(({ annotations }) => annotations?.[NAME] ?? '');
    const own = names.filter((name) => name.startsWith(`${repository}:`));
    return own.map((name) => name.slice(repository.length + 1)).filter(isTag);
  }

  removeTag(repository: RepositoryName, tag: Tag): Promise<void> {
    const name = nameOf(repository, { tag });
    return this.#change((entries) => entries.filter((each) => each.annotations?.[NAME] !== name));
  }

  /** Takes the folder of what was on its way out of the layout, if nothing is. */
  async close(): Promise<void> {
    await this.#parts.sweep();
    await this.#parts.removeIfEmpty();
  }

  #blob(digest: Digest): string {
    return join(this.#folder, 'blobs', algorithmOf(digest), hexOf(digest));
  }

  /** @throws DepotError `IMAGE_INVALID`: the index is none */
  async #entries(): Promise<Entry[]> {
    const path = join(this.#folder, 'index.json');
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (isMissing(error)) return '{"manifests":[]}';
      throw fileError(error, path);
    });
    let raw: unknown;
    try {
      raw = JSON.parse(text);
    } catch {
      raw = undefined;
    }
    const parsed = INDEX.safeParse(raw);
    if (parsed.success) return parsed.data.manifests;
    throw new DepotError('IMAGE_INVALID', `${path} is not the index of a layout`, { path });
  }

  #change(change: (entries: readonly Entry[]) => Entry[]): Promise<void> {
    return this.#turns.run('index', async () => {
      await makeDurableFolder(this.#folder);
      const manifests = change(await this.#entries());
      await writeFileAtomically(join(this.#folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
      const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
      await writeFileAtomically(join(this.#folder, 'index.json'), `${JSON.stringify(index)}\n`);
    });
  }
}

function nameOf(repository: RepositoryName, { tag, digest }: Reference): string {
  return tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`;
}
