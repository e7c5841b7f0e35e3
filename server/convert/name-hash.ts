/**
 * A hash of names that nobody outside can foresee: names of an image that all fall into one bucket would make each look-up
 * as long as the list of all. HalfSipHash-1-3 with a key of its own for each image (https://github.com/veorq/SipHash).
 */
import { randomBytes } from 'node:crypto';

/** Hashes pairs of a number and a text of bytes as Latin-1. What it gives means nothing outside of this process. */
export class NameHash {
  readonly #key0: number;
  readonly #key1: number;

  constructor(key: Buffer = randomBytes(8)) {
    this.#key0 = key.readInt32LE(0);
    this.#key1 = key.readInt32LE(4);
  }

  /** @returns a number of 32 bits, signed */
  of(number: number, name: string): number {
    const length = name.length;
    let v0 = this.#key0;
    let v1 = this.#key1;
    let v2 = this.#key0 ^ 0x6c796765;
    let v3 = this.#key1 ^ 0x74656462;
    let word = number;
    // The number is the first word, the text follows in words of four bytes, its length ends the last; three rounds close it.
    const words = (length >>> 2) + 2;
    for (let round = 0; round < words + 3; round += 1) {
      if (round === words) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
      word = round + 1 < words ? wordAt(name, round << 2) : 0;
    }
    return v1 ^ v3;
  }
}

const NUMBER_BYTES = 4;

/** Four bytes of a text, little-endian; where it ends the length of all takes the highest. */
function wordAt(text: string, offset: number): number {
  const length = text.length;
  if (offset + 4 <= length) {
    const low = text.charCodeAt(offset) | (text.charCodeAt(offset + 1) << 8);
    return low | (text.charCodeAt(offset + 2) << 16) | (text.charCodeAt(offset + 3) << 24);
  }
  let word = (length + NUMBER_BYTES) << 24;
  for (let index = offset; index < length; index += 1)
    word |= text.charCodeAt(index) << (8 * (index - offset));
  return word;
}
