/**
 * Which manifests speak of a subject. OCI distribution specification, "Listing Referrers". The index is one small file for
 * each, derived from the manifests: what is missing of it is made again, and what has no manifest any more does not count.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { foldersIn, makeDurableFolder } from '../disk/folders.js';
import { fileError, isMissing } from '../errors.js';
import {
  ALGORITHMS,
  algorithmOf,
  type Digest,
  digestOf,
  hexOf,
  isAlgorithm,
  isDigest,
} from '../oci/digest.js';
import type { Manifest } from '../oci/manifest.js';
import { isIndexType } from '../oci/media-type.js';
import type { RepositoryName } from '../oci/reference.js';
import type { Layout } from './layout.js';
import { readLink } from './links.js';
import { makeWay } from './trash.js';

/** How the list of referrers describes a manifest. */
export const REFERRER = z.object({
  mediaType: z.string(),
  /** Bytes. */
  size: z.int().min(0),
  digest: z.string().refine(isDigest),
  artifactType: z.string().optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});

/** One manifest that speaks of another, as the list of referrers shows it. */
export type Referrer = z.output<typeof REFERRER>;

/** What the list says of a manifest: an image without a type of its own is what its config is. */
export function describeReferrer(digest: Digest, size: number, manifest: Manifest): Referrer {
  const { mediaType, annotations } = manifest;
  const artifactType =
    manifest.artifactType || (isIndexType(mediaType) ? undefined : manifest.config?.mediaType);
  return {
    mediaType,
    size,
    digest,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations: { ...annotations } }),
  };
}

/** The index of one registry folder. */
export class Referrers {
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Notes that a manifest speaks of a subject, which need not be here. */
  async add(repository: RepositoryName, subject: Digest, referrer: Referrer): Promise<void> {
    const folder = this.#layout.referrers(repository, subject);
    await makeDurableFolder(folder);
    await makeDurableFolder(this.#layout.stage);
    const entry = join(folder, entryName(referrer.digest));
    await makeWay(this.#layout, entry);
    const text = JSON.stringify(referrer);
    await writeFileAtomically(entry, `${text}\n${checksumOf(text)}`, { stage: this.#layout.stage });
  }

  async remove(repository: RepositoryName, subject: Digest, digest: Digest): Promise<void> {
    const entry = join(this.#layout.referrers(repository, subject), entryName(digest));
    await rm(entry, { force: true }).catch((error: unknown) => {
      throw fileError(error, 'the index of referrers');
    });
  }

  /** The subjects for which something may be noted, in no order. */
  async subjects(repository: RepositoryName): Promise<Digest[]> {
    const found: Digest[] = [];
    for (const algorithm of ALGORITHMS) {
      for (const hex of await foldersIn(this.#layout.referrersBy(repository, algorithm))) {
        const text = `${algorithm}:${hex}`;
        if (isDigest(text)) found.push(text);
      }
    }
    return found;
  }

  /** The digests that are noted for a subject, in no order; whether the repository has them still was not looked at. */
  async noted(repository: RepositoryName, subject: Digest): Promise<Digest[]> {
    const names = await readdir(this.#layout.referrers(repository, subject)).catch(
      (error: unknown): string[] => {
        if (isMissing(error)) return [];
        throw fileError(error, 'the index of referrers');
      },
    );
    return names.map(digestOfEntry).filter((digest) => digest !== undefined);
  }

  /** What is noted of a referrer; `undefined` if the repository has it not, or the note is broken: it is derived. */
  async read(repository: RepositoryName, subject: Digest, digest: Digest): Promise<Referrer | undefined> {
    if ((await readLink(this.#layout.revisionLink(repository, digest))) === undefined) return undefined;
    const path = join(this.#layout.referrers(repository, subject), entryName(digest));
    try {
      const [text = '', checksum] = (await readFile(path, 'utf8')).split('\n');
      if (checksum !== checksumOf(text)) return undefined;
      return REFERRER.parse(JSON.parse(text));
    } catch {
      return undefined;
    }
  }
}

/** A note is no content, whose name would tell that it is damaged. */
function checksumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function entryName(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest)}.json`;
}

function digestOfEntry(name: string): Digest | undefined {
  const [, algorithm = '', hex = ''] = /^([a-z0-9]+)-([0-9a-f]+)\.json$/.exec(name) ?? [];
  const text = `${algorithm}:${hex}`;
  return isAlgorithm(algorithm) && isDigest(text) ? digestOf(algorithm, hex) : undefined;
}
