/** xz, by the WebAssembly build of xz-embedded in the xz-decompress package. */
import { ReadableStream } from 'node:stream/web';
import { types } from 'node:util';
import xz from 'xz-decompress';
import { DepotError } from '../errors.js';

/** What the library's result codes mean. tukaani.org/xz/embedded.html, `enum xz_ret`. */
const REASONS: Readonly<Record<string, string>> = {
  3: 'not enough memory',
  4: 'its dictionary is larger than 64 MiB',
  5: 'not the xz format',
  6: 'it uses a filter or an integrity check other than LZMA2 with none, CRC32 or CRC64',
  7: 'damaged data',
  8: 'it is cut short, or other bytes follow',
};

/**
 * Undoes xz: one stream or several, one block or many. The library decompresses one file at a time: a second
 * one waits until the first has ended or its iteration was left.
 *
 * @throws DepotError `ARCHIVE_INVALID`: damaged, cut short, followed by other bytes, or of a kind this cannot read
 */
export async function* unxz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sourceFailed = false;
  const output = new xz.XzReadableStream(ReadableStream.from(watched()));
  try {
    for await (const chunk of output) if (chunk.length > 0) yield chunk;
  } catch (error) {
    if (sourceFailed) throw error;
    const text = types.isNativeError(error) ? error.message : String(error);
    const code = /error code (\d+)$/.exec(text)?.[1] ?? '8';
    throw new DepotError('ARCHIVE_INVALID', `unreadable xz data: ${REASONS[code] ?? text}`, { xzCode: code });
  }

  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (error) {
      sourceFailed = true;
      throw error;
    }
  }
}
