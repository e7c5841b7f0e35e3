/** The files that an image is kept in: a folder, or the members of an archive. */
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { openRegularFile } from '../disk/safe-path.js';
import { fileError } from '../errors.js';
import { imageInvalid } from './image-invalid.js';
import { JSON_LIMIT_BYTES } from './limits.js';

const READ_BYTES = 256 * 1024;

/** Files by name. */
export interface ImageFiles {
  /** Where they are, as it was typed. */
  readonly path: string;
  /**
   * Opens one; may be done several times.
   *
   * @throws DepotError `NOT_FOUND`; `IMAGE_INVALID`: it is no file
   */
  open(name: string): AsyncIterable<Uint8Array>;
  /** Ends all reading. */
  close(): Promise<void>;
}

/** The files of a folder, which are trusted as far as their links go. */
export function folderFiles(path: string): ImageFiles {
  return { path, open: (name) => readFileOf(join(path, name)), close: async () => undefined };
}

async function* readFileOf(path: string): AsyncGenerator<Uint8Array> {
  try {
    const { handle } = await openRegularFile(await realpath(path));
    yield* handle.createReadStream({ highWaterMark: READ_BYTES });
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * Reads a file of JSON.
 *
 * @throws DepotError `IMAGE_INVALID`: it is larger than any JSON of an image; as {@link ImageFiles.open}
 */
export async function readJsonBytes(files: ImageFiles, name: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let count = 0;
  for await (const part of files.open(name)) {
    count += part.length;
    if (count > JSON_LIMIT_BYTES) {
      throw imageInvalid(`${join(files.path, name)} has more than ${JSON_LIMIT_BYTES} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}
