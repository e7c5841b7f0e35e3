/** The images of the registry as ACIs: converted when somebody asks, once however many ask, signed, and kept. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { FreeSpace } from '../disk/free-space.js';
import { DepotError } from '../errors.js';
import type { Logger } from '../log.js';
import type { RepositoryName } from '../oci/reference.js';
import { onFirstCall } from '../on-first-call.js';
import { armorSignature, type HashName, signHashed } from '../openpgp/detached.js';
import type { SigningKey } from '../openpgp/signing-key.js';
import { hashFile } from '../stream/hash-file.js';
import { type AciCache, CACHED_IMAGE, type Held } from './aci-cache.js';
import type { WrittenAci } from './convert.js';
import type { ConvertLimits } from './limits.js';
import { pulledRepository, type RegistryParts } from './pulled-repository.js';
import { openRegistryImage, type RepositoryChoice } from './registry-image.js';
import type { ImageSource } from './source.js';
import { Turnstile } from './turnstile.js';

/** Most servers convert nothing, and its modules take some megabytes. */
const convertImage = onFirstCall(async () => (await import('./convert.js')).convertImage);

/** To be changed with every change of the conversion that changes its bytes. */
const FORMAT = 1;
const AT_ONCE = 2;

/** What the images are made with. */
export interface RegistryAcisOptions extends RegistryParts {
  readonly cache: AciCache;
  /** The key as it is now; `undefined`: there is none that can be used. */
  readonly signingKey: () => Promise<SigningKey | undefined>;
  readonly hashName: HashName;
  /** Bytes of the disk that stay free. */
  readonly freeSpace: number;
  readonly limits: ConvertLimits;
  readonly logger: Logger;
}

/** Which image of which repository. */
export interface RegistryChoice extends RepositoryChoice {
  readonly repository: RepositoryName;
}

/** An image that was found; it may have to be converted yet. */
export interface FoundImage {
  readonly source: ImageSource;
  /** Of its place in the cache: the same image, name and platform have the same. */
  readonly name: string;
  /**
   * A strong entity tag of the ACI, with its quotes: the digest of the manifest and what else its bytes depend on. The
   * conversion is deterministic, so what has the same tag has the same bytes, converted again or on another depot.
   */
  readonly etag: string;
}

/** A converted image. */
export interface HeldAci extends Held {
  /** The names of both files in its folder. */
  readonly image: string;
  /** `undefined`: there is no signing key. */
  readonly signature: string | undefined;
}

/** The ACIs of one registry. */
export class RegistryAcis {
  /** Since the start. */
  readonly figures = { converted: 0, failed: 0, seconds: 0 };
  readonly #options: RegistryAcisOptions;
  readonly #turnstile = new Turnstile(AT_ONCE);
  readonly #stopping = new AbortController();
  readonly #making = new Map<string, Promise<void>>();

  constructor(options: RegistryAcisOptions) {
    this.#options = options;
  }

  /** Bytes of the images that are kept. */
  get cacheBytes(): number {
    return this.#options.cache.bytes;
  }

  /** Whether there is a key to sign with. */
  async signs(): Promise<boolean> {
    return (await this.#options.signingKey()) !== undefined;
  }

  /**
   * Finds an image. Nothing but its manifest and config is read.
   *
   * @throws DepotError as {@link openRegistryImage}
   */
  async find(choice: RegistryChoice): Promise<FoundImage> {
    const repository = pulledRepository(this.#options, choice.repository);
    const source = await openRegistryImage(repository, choice);
    const { manifestHash } = source;
    const form = formOf(source);
    return { source, name: `${manifestHash.replace(':', '-')}-${form}`, etag: `"${manifestHash}-${form}"` };
  }

  /** Gives an image and its signature, if both are there. Whoever gets it releases it. */
  async held({ name }: FoundImage): Promise<HeldAci | undefined> {
    if (this.#making.has(name)) return undefined;
    const key = await this.#options.signingKey();
    const held = await this.#options.cache.hold(name);
    if (held === undefined) return undefined;
    const signature = key && signatureName(key);
    if (signature === undefined || (await isThere(join(held.folder, signature)))) {
      return { ...held, image: CACHED_IMAGE, signature };
    }
    held.release();
    return undefined;
  }

  /**
   * Converts and signs an image, unless that was done before.
   *
   * @throws DepotError as {@link convertImage}; `KEY_UNUSABLE`; `INTERRUPTED`: the server stops
   */
  make(image: FoundImage): Promise<void> {
    const running = this.#making.get(image.name);
    if (running !== undefined) return running;
    const making = this.#turnstile
      .run(() => this.#make(image))
      .finally(() => this.#making.delete(image.name));
    this.#making.set(image.name, making);
    return making;
  }

  /** Breaks off what is being made. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#making.values());
  }

  async #make({ source, name }: FoundImage): Promise<void> {
    const { cache, logger, signingKey } = this.#options;
    const { host, repository, tag } = source.reference;
    const image = `${host === undefined ? '' : `${host}/`}${repository}:${tag}`;
    const log = logger.child({ image, digest: source.manifestHash });
    try {
      const key = await signingKey();
      const held = await cache.hold(name);
      if (held === undefined) await this.#convert(source, name, key, log);
      else await this.#signThere(held, key).finally(held.release);
    } catch (error) {
      if (this.#stopping.signal.aborted) throw new DepotError('INTERRUPTED', 'the server stops');
      this.figures.failed += 1;
      log.warn({ err: error }, 'an image could not be converted');
      throw error;
    }
  }

  async #convert(
    source: ImageSource,
    name: string,
    key: SigningKey | undefined,
    log: Pick<Logger, 'info'>,
  ): Promise<void> {
    const { cache, freeSpace, hashName, limits } = this.#options;
    const startedMs = performance.now();
    const folder = await cache.prepare(name);
    try {
      const storedBytes = source.layers.reduce((sum, { size }) => sum + (size ?? 0), 0);
      await new FreeSpace(folder, freeSpace).expect(storedBytes);
      await convertImage(source, {
        path: join(folder, CACHED_IMAGE),
        hashName,
        limits,
        signal: this.#stopping.signal,
        warn: (text) => log.info(text),
        beforeVisible: async ({ fileHash }) => {
          if (key !== undefined) await this.#sign(folder, key, fileHash);
        },
      });
      await cache.add(name);
    } catch (error) {
      await cache.abandon(name);
      throw error;
    }
    const seconds = (performance.now() - startedMs) / 1000;
    this.figures.converted += 1;
    this.figures.seconds += seconds;
    log.info({ seconds: Math.round(seconds * 1000) / 1000 }, 'an image was converted');
  }

  /** A key that came later, or took the place of another one, signs what is there. */
  async #signThere({ folder }: Held, key: SigningKey | undefined): Promise<void> {
    if (key === undefined || (await isThere(join(folder, signatureName(key))))) return;
    const { hashName } = this.#options;
    const path = join(folder, CACHED_IMAGE);
    const { hashes } = await hashFile(path, [hashName], { signal: this.#stopping.signal });
    const hash = hashes.get(hashName);
    if (hash !== undefined) await this.#sign(folder, key, hash);
  }

  async #sign(folder: string, key: SigningKey, hash: WrittenAci['fileHash']): Promise<void> {
    const packet = await signHashed(key, hash, this.#options.hashName, new Date());
    await writeFileAtomically(join(folder, signatureName(key)), await armorSignature(packet));
  }
}

/** What the bytes depend on besides the image: the conversion, the name, and zlib, as another one may compress otherwise. */
function formOf({ reference }: ImageSource): string {
  const { host, repository, tag } = reference;
  const rest = JSON.stringify([FORMAT, process.versions.zlib, host, repository, tag]);
  return createHash('sha256').update(rest).digest('hex').slice(0, 16);
}

function signatureName({ fingerprint }: SigningKey): string {
  return `${fingerprint}.asc`;
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
