/** The two inner modules of unbzip2-stream 1.4.3: its own stream has no limit on what it holds in memory. */

declare module 'unbzip2-stream/lib/bit_iterator.js' {
  namespace bitIterator {
    /** Reads bits, most significant first; `null` moves on to the next whole byte. */
    interface BitReader {
      (count: number | null): number;
      /** Bytes begun so far. */
      readonly bytesRead: number;
    }
  }
  /** @param nextBuffer - called at once and whenever a buffer is used up; what it throws comes out of the reader */
  function bitIterator(nextBuffer: () => Uint8Array): bitIterator.BitReader;
  export = bitIterator;
}

declare module 'unbzip2-stream/lib/bzip2.js' {
  import type { BitReader } from 'unbzip2-stream/lib/bit_iterator.js';

  const bzip2: {
    /** Reads a stream header. @returns the block size, 1 to 9 in units of 100,000 bytes */
    header(bits: BitReader): number;
    /**
     * Reads a block or the end of the stream.
     *
     * @param write - takes every byte of the output
     * @param work - room for `size` numbers
     * @param checksum - of the stream so far, 0 at its begin
     * @returns the new checksum, or `null` at the end of the stream
     */
    decompress(
      bits: BitReader,
      write: (byte: number) => void,
      work: Int32Array,
      size: number,
      checksum: number,
    ): number | null;
  };
  export = bzip2;
}
