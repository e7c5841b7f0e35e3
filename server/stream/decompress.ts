/** Undoing compression while the bytes pass by. gzip is Node's own; the others are loaded on first use. */
import { types } from 'node:util';
import { DepotError, systemCode } from '../errors.js';
import type { Compression } from './compression.js';
import { gunzip } from './gunzip.js';

/**
 * Decompresses a stream to its end: several members or streams one after another are one file, and what is cut
 * short, damaged or followed by something else is an error. Ending the iteration early ends the source.
 *
 * @param source - the compressed bytes, untrusted
 * @returns chunks of at most a few hundred KiB (bzip2: what one block holds, below 47 MB); they are the caller's
 * @throws DepotError `ARCHIVE_INVALID`: the data is not what `compression` says; the source's own errors as they are
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  try {
    yield* await open(source, compression);
  } catch (error) {
    if (error instanceof DepotError || (systemCode(error) ?? 'Z_').startsWith('Z_') === false) throw error;
    const reason = types.isNativeError(error) ? error.message : String(error);
    throw new DepotError('ARCHIVE_INVALID', `damaged or cut ${compression} data: ${reason}`, { compression });
  }
}

async function open(source: AsyncIterable<Uint8Array>, compression: Compression) {
  if (compression === 'gzip') return gunzip(source);
  if (compression === 'bzip2') return (await import('./bunzip2.js')).bunzip2(source);
  if (compression === 'xz') return (await import('./unxz.js')).unxz(source);
  if (compression === 'zstd') return (await import('./unzstd.js')).unzstd(source);
  return source;
}
