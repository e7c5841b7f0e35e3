/** gzip, by Node's zlib, read to its very end. RFC 1952. */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { DepotError } from '../errors.js';

const OUTPUT_CHUNK_BYTES = 256 * 1024;

/**
 * Undoes gzip, all members of it. Zero padding after the last member, which zlib passes over, is refused: what
 * stands behind it would be lost, and Go's reader, which rkt uses, refuses it too.
 *
 * @throws DepotError `ARCHIVE_INVALID`: bytes after the last member; zlib's errors (`Z_DATA_ERROR`, `Z_BUF_ERROR`)
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const engine = createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES });
  let fedBytes = 0;
  const input = Readable.from(count());
  input.once('error', (error) => engine.destroy(error));
  input.pipe(engine);
  try {
    yield* engine;
    if (engine.bytesWritten < fedBytes) {
      throw new DepotError('ARCHIVE_INVALID', 'bytes after the end of the gzip data, expected nothing', {});
    }
  } finally {
    input.destroy();
    engine.destroy();
  }

  async function* count(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      fedBytes += chunk.length;
      yield chunk;
    }
  }
}
