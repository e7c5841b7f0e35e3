import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { DepotError } from '../../server/errors.js';
import { type Compression, sniffCompression } from '../../server/stream/compression.js';
import { decompress } from '../../server/stream/decompress.js';
import { describeWith } from '../clients/programs.js';
import { compress } from '../fixtures/aci.js';

const PLAIN = Buffer.concat([
  randomBytes(300_000),
  Buffer.alloc(2_000_000, 'zeros and ones '),
  randomBytes(999),
]);

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function undo(bytes: Buffer, compression: Compression, size = 65_536): Promise<Buffer> {
  return collect(decompress(inPieces(bytes, size), compression));
}

function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = copy.length >> 1;
  copy[middle] = (copy[middle] ?? 0) ^ 0x10;
  return copy;
}

test('the first bytes tell the compression, whatever follows', () => {
  const known: readonly [string, string][] = [
    ['1f8b08', 'gzip'],
    ['425a6839', 'bzip2'],
    ['fd377a585a0000', 'xz'],
    ['28b52ffd', 'zstd'],
    ['fd377a585a', 'none'],
    ['1f', 'none'],
    ['', 'none'],
    ['6d616e6966657374', 'none'],
  ];
  for (const [hex, kind] of known) expect(sniffCompression(Buffer.from(hex, 'hex'))).toBe(kind);
});

test('none hands the bytes on as they are', async () => {
  expect((await undo(PLAIN, 'none')).equals(PLAIN)).toBe(true);
});

describeWith(['bzip2', 'xz'], 'what gzip, bzip2 and xz made', () => {
  const packed = {
    gzip: compress(PLAIN, 'gzip'),
    bzip2: compress(PLAIN, 'bzip2'),
    xz: compress(PLAIN, 'xz'),
  };
  const kinds = ['gzip', 'bzip2', 'xz'] as const;

  test.each(kinds)('%s comes back byte for byte, in pieces of any size', async (kind) => {
    for (const size of [1 << 24, 65_536, 4096, 977]) {
      expect((await undo(packed[kind], kind, size)).equals(PLAIN)).toBe(true);
    }
  });

  test.each(kinds)('%s in single bytes', async (kind) => {
    const small = Buffer.from('a small text');
    expect((await undo(compress(small, kind), kind, 1)).equals(small)).toBe(true);
  });

  test.each(kinds)('nothing at all, compressed by %s, is nothing', async (kind) => {
    expect(await undo(compress(Buffer.alloc(0), kind), kind)).toHaveLength(0);
  });

  test.each(kinds)('two pieces of %s one after the other are one file', async (kind) => {
    const twice = Buffer.concat([packed[kind], packed[kind]]);
    expect((await undo(twice, kind)).equals(Buffer.concat([PLAIN, PLAIN]))).toBe(true);
  });

  test.each(kinds)(
    '%s that is damaged or cut anywhere, or followed by something, is refused',
    async (kind) => {
      const whole = packed[kind];
      const cuts = [1, 3, 5, 11, 40, whole.length >> 1, whole.length - 9, whole.length - 1];
      const broken = [
        Buffer.alloc(0),
        ...cuts.map((cut) => whole.subarray(0, cut)),
        damaged(whole),
        Buffer.concat([whole, Buffer.from('garbage')]),
        Buffer.concat([whole, whole.subarray(0, 20)]),
        Buffer.concat([whole, Buffer.alloc(3)]),
      ];
      for (const bytes of broken) {
        await expect(undo(bytes, kind)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
      }
    },
  );

  test.each(kinds)('an error of the source passes through %s as it is', async (kind) => {
    async function* failing(): AsyncGenerator<Buffer> {
      yield packed[kind].subarray(0, 100_000);
      throw new DepotError('IO_FAILED', 'the disk is gone');
    }
    await expect(collect(decompress(failing(), kind))).rejects.toMatchObject({ code: 'IO_FAILED' });
  });

  test.each(kinds)('who stops reading %s early ends the source, and the next file is read', async (kind) => {
    let ended = false;
    async function* watched(): AsyncGenerator<Buffer> {
      try {
        for (let round = 0; round < 1000; round += 1) yield* inPieces(packed[kind], 4096);
      } finally {
        ended = true;
      }
    }
    for await (const chunk of decompress(watched(), kind)) if (chunk.length > 0) break;
    await new Promise((wake) => setTimeout(wake, 20));
    expect(ended).toBe(true);
    expect((await undo(packed[kind], kind)).equals(PLAIN)).toBe(true);
  });

  test.each(kinds)('several files of %s at once do not disturb each other', async (kind) => {
    const all = await Promise.all(
      [1, 2, 3].map((part) => undo(compress(PLAIN.subarray(part), kind), kind, 5000)),
    );
    all.forEach((bytes, index) => {
      expect(bytes.equals(PLAIN.subarray(index + 1))).toBe(true);
    });
  });

  test('a bomb of bzip2 comes in chunks, and is not held', async () => {
    const bomb = execFileSync('sh', ['-c', 'head -c 60000000 /dev/zero | bzip2']);
    let total = 0;
    let largest = 0;
    for await (const chunk of decompress(inPieces(bomb, 65_536), 'bzip2')) {
      total += chunk.length;
      largest = Math.max(largest, chunk.length);
    }
    expect({ total, inPieces: largest <= 1 << 20 }).toEqual({ total: 60_000_000, inPieces: true });
  });

  test('what the xz decoder cannot read is named', async () => {
    const xz = (...args: string[]) => execFileSync('xz', ['-c', ...args], { input: PLAIN });
    await expect(undo(xz('--check=sha256'), 'xz')).rejects.toThrow('an integrity check other than');
    await expect(undo(xz('--x86', '--lzma2'), 'xz')).rejects.toThrow('a filter or an integrity check');
    await expect(undo(xz('--lzma2=dict=65MiB'), 'xz')).rejects.toThrow('dictionary is larger than 64 MiB');
    expect((await undo(xz('-9'), 'xz')).equals(PLAIN)).toBe(true);
    expect((await undo(xz('-T2', '--block-size=100KiB', '--check=none'), 'xz')).equals(PLAIN)).toBe(true);
  });
});

test('zeros after gzip do not hide what follows them', async () => {
  const whole = gzipSync('first');
  const hidden = Buffer.concat([whole, Buffer.alloc(512), gzipSync('second')]);
  for (const size of [1, whole.length, hidden.length]) {
    await expect(undo(hidden, 'gzip', size)).rejects.toThrow('bytes after the end of the gzip data');
  }
});
