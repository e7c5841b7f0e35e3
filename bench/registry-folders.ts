/** Registry folders that would take long to push, written file by file in the layout of both registries. */
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const OCI_IMAGE = 'application/vnd.oci.image.manifest.v1+json';

/** A registry's root: `data/registry` of bootdepot, `rootdirectory` of docker-registry. */
export class RegistryFolder {
  readonly #base: string;

  constructor(root: string) {
    this.#base = join(root, 'docker/registry/v2');
  }

  /** Adds blobs of a few bytes to one repository. */
  addBlobs(name: string, count: number): void {
    for (let index = 0; index < count; index += 1) {
      const bytes = `blob ${index}`;
      const hex = sha256(bytes);
      this.#write(join('blobs/sha256', hex.slice(0, 2), hex), 'data', bytes);
      this.#link(join('repositories', name, '_layers/sha256', hex), hex);
    }
  }

  /** Adds a blob of zeros that takes no room, in one repository; returns its digest. */
  addSparse(name: string, bytes: number): string {
    const hash = createHash('sha256');
    const piece = Buffer.alloc(1024 * 1024);
    for (let left = bytes; left > 0; left -= piece.length) {
      hash.update(piece.subarray(0, Math.min(left, piece.length)));
    }
    const hex = hash.digest('hex');
    const folder = join(this.#base, 'blobs/sha256', hex.slice(0, 2), hex);
    mkdirSync(folder, { recursive: true });
    const file = openSync(join(folder, 'data'), 'w');
    ftruncateSync(file, bytes);
    closeSync(file);
    this.#link(join('repositories', name, '_layers/sha256', hex), hex);
    return `sha256:${hex}`;
  }

  /** Adds a repository with one manifest, which has all the tags. */
  addRepository(name: string, tags: readonly string[]): void {
    const bytes = JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE, config: {}, layers: [], name });
    const hex = sha256(bytes);
    this.#write(join('blobs/sha256', hex.slice(0, 2), hex), 'data', bytes);
    const manifests = join('repositories', name, '_manifests');
    mkdirSync(join(this.#base, 'repositories', name, '_layers'), { recursive: true });
    this.#link(join(manifests, 'revisions/sha256', hex), hex);
    for (const tag of tags) this.#link(join(manifests, 'tags', tag, 'current'), hex);
  }

  #link(folder: string, hex: string): void {
    this.#write(folder, 'link', `sha256:${hex}`);
  }

  #write(folder: string, name: string, text: string): void {
    mkdirSync(join(this.#base, folder), { recursive: true });
    writeFileSync(join(this.#base, folder, name), text);
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
