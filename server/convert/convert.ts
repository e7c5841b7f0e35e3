/** The conversion of one image: from the layers of a source to one archive, written once and visible when it is whole. */
import type { Hash } from 'node:crypto';
import { dirname } from 'node:path';
import { type ImageId, imageIdOf } from '../aci/image-id.js';
import { createPendingFile, type PendingFile } from '../disk/atomic-file.js';
import { FreeSpace } from '../disk/free-space.js';
import { fileError } from '../errors.js';
import { throwIfAborted } from './abort.js';
import { Budget } from './budget.js';
import { parseImageConfig } from './config.js';
import { emit } from './emit.js';
import { FileTree } from './file-tree.js';
import { imageInvalid } from './image-invalid.js';
import { imageManifest } from './image-manifest.js';
import { indexLayers } from './index-pass.js';
import { type ConvertLimits, DEFAULT_LIMITS } from './limits.js';
import { Output, type OutputForm } from './output.js';
import { RecordTable } from './record-table.js';
import type { ImageSource } from './source.js';

/** How an image is converted. */
export interface ConvertOptions extends Partial<OutputForm> {
  /** The file to be made; its folder must exist. A file that is there is replaced. */
  readonly path: string;
  /** With which the file is hashed for its signature; default sha512. */
  readonly hashName?: 'sha256' | 'sha512';
  readonly limits?: ConvertLimits | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of the stored bytes of layers as they are read; all come twice. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Told of what appc cannot say and was left out, a sentence each. */
  readonly warn?: (text: string) => void;
  /** Called when the file is whole and durable and not visible yet; what it throws ends the conversion. */
  readonly beforeVisible?: (written: WrittenAci) => Promise<void>;
}

/** An archive that was written. */
export interface WrittenAci {
  readonly path: string;
  readonly imageId: ImageId;
  /** Bytes of the file. */
  readonly fileBytes: number;
  /** Bytes before compression. */
  readonly tarBytes: number;
  /** Of the file, by `hashName`; not ended. */
  readonly fileHash: Hash;
}

/** Sizes at which gzip is as small as it gets in sensible time. */
export const DEFAULT_LEVEL = 6;

/**
 * Converts an image. Memory grows with the number of its entries and nothing else.
 *
 * @throws DepotError `IMAGE_INVALID`: the image breaks a rule, its bytes are not those that its manifest names, or it is
 *   beyond the limits; `DISK_FULL`; `INTERRUPTED`; `ACCESS_DENIED`, `IO_FAILED`; the errors of the source. Nothing is
 *   left behind then
 */
export async function convertImage(source: ImageSource, options: ConvertOptions): Promise<WrittenAci> {
  const { path } = options;
  const config = parseImageConfig(source.config);
  const manifest = imageManifest(source, config, options.warn ?? (() => undefined));
  if (source.layers.length === 0) throw imageInvalid('the image has no layers, so there is nothing to run');
  const stored = source.layers.reduce((sum, { size }) => sum + (size ?? 0), 0);
  await new FreeSpace(dirname(path), 1).expect(stored);
  const pending = await createPendingFile(path);
  try {
    const written = await write(
      source,
      { ...options, manifest, diffIds: source.diffIds ?? config.rootfs?.diff_ids ?? [] },
      pending,
    );
    await pending.handle.sync();
    await options.beforeVisible?.(written);
    await pending.commit();
    return written;
  } catch (error) {
    await pending.discard();
    // Streams that a signal ended have words of their own for it.
    throwIfAborted(options.signal);
    throw fileError(error, path);
  }
}

interface WriteOptions extends ConvertOptions {
  readonly manifest: Buffer;
  readonly diffIds: readonly string[];
}

async function write(source: ImageSource, options: WriteOptions, file: PendingFile): Promise<WrittenAci> {
  const { path, manifest, diffIds, signal, onBytes, limits = DEFAULT_LIMITS } = options;
  const { compression = 'gzip', level = DEFAULT_LEVEL, hashName = 'sha512' } = options;
  const tree = new FileTree();
  const records = new RecordTable();
  const budget = new Budget(limits);
  const layers = await indexLayers(
    { tree, records, limits, budget, diffIds, signal, onBytes },
    source.layers,
  );
  const output = new Output(file.handle, { compression, level }, hashName);
  await emit({ manifest, tree, records, layers, output, signal, onBytes });
  const { tarHash, ...bytes } = await output.end();
  return { path, imageId: imageIdOf(tarHash), ...bytes };
}
