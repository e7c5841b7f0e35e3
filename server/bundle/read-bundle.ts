/** Reading a bundle in one pass: first the signature, then one file after the other, each checked while it passes by. */
import { createHash } from 'node:crypto';
import { DepotError } from '../errors.js';
import { type Digest, digestOf } from '../oci/digest.js';
import type { Certificate } from '../openpgp/certificate.js';
import { canonicalText } from '../openpgp/detached.js';
import { parseDetachedSignature, type Verdict, verifyHashed } from '../openpgp/verify.js';
import { checkedBytes } from '../stream/checked-bytes.js';
import { isAllZero } from '../stream/tar-header.js';
import { END_MARK, paddingOf } from '../stream/tar-writer.js';
import { ByteSource } from './byte-source.js';
import { type Contents, type PlacedFile, parseContents } from './contents.js';
import { CONTENTS_NAME, SIGNATURE_NAME } from './paths.js';
import { BLOCK_BYTES, describeHeader, headerOf, sizeOfFirst, type TarFile } from './tar-file.js';

/** Half a million files; what is larger is not read into memory. */
const MAX_CONTENTS_BYTES = 64 * 1024 * 1024;
const MAX_SIGNATURE_BYTES = 64 * 1024;

/** Whose bundle it is. */
export interface BundleSignature extends Verdict {
  /** Of the key that the signature names, 40 upper-case hex digits, or 16 where it says no more. */
  readonly issuer: string;
  readonly created: Date;
}

/** A bundle whose beginning was read. */
export interface OpenBundle {
  readonly contents: Contents<PlacedFile>;
  /** Of bundle.json. */
  readonly digest: Digest;
  readonly signature: BundleSignature;
  /**
   * All files in their order, once. What is not read of a file is read, and checked, before the next one.
   *
   * @throws DepotError `BUNDLE_INVALID`: the first byte that is not what bundle.json says, with the name of its file
   */
  files(): AsyncGenerator<BundleEntry>;
  /** Lets go of the stream. */
  close(): Promise<void>;
}

/** A file that comes. */
export interface BundleEntry {
  readonly file: PlacedFile;
  /** Its bytes; ends with an error if they are others. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** How a bundle is opened. */
export interface OpenOptions {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Whose bundles are trusted. */
  readonly keyring: readonly Certificate[];
  readonly now: Date;
}

/**
 * Reads the beginning of a bundle of somebody who is trusted. What is not signed by him is not even looked into.
 *
 * @throws DepotError `BUNDLE_INVALID`: with the file, or the signature is not over this bundle.json; `BUNDLE_UNTRUSTED`: the key is not
 *   known, or not valid any more
 */
export async function openTrustedBundle(
  options: OpenOptions,
): Promise<OpenBundle & { readonly signer: string }> {
  return opening(options, (head) => {
    const signer = expectTrusted(head.signature);
    return { ...open(head), signer };
  });
}

/**
 * Reads the beginning of a bundle, whoever made it: what it says it holds, and what its signature is worth.
 *
 * @throws DepotError `BUNDLE_INVALID`
 */
export async function openBundle(options: OpenOptions): Promise<OpenBundle> {
  return opening(options, open);
}

/** Lets go of the stream when nothing comes of it. */
async function opening<T>(options: OpenOptions, use: (head: Head) => T): Promise<T> {
  const source = new ByteSource(options.chunks);
  try {
    return use(await readHead(source, options));
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The first two files. */
interface Head {
  readonly source: ByteSource;
  readonly bytes: Buffer;
  readonly signature: BundleSignature;
}

async function readHead(source: ByteSource, { keyring, now }: OpenOptions): Promise<Head> {
  const bytes = await readFirst(source, CONTENTS_NAME, MAX_CONTENTS_BYTES);
  const signatureBytes = await readFirst(source, SIGNATURE_NAME, MAX_SIGNATURE_BYTES);
  return { source, bytes, signature: await judge(bytes, signatureBytes, keyring, now) };
}

function open({ source, bytes, signature }: Head): OpenBundle {
  const contents = parseContents(bytes);
  return {
    contents,
    digest: digestOf('sha256', createHash('sha256').update(bytes).digest('hex')),
    signature,
    files: () => readFiles(source, contents.files),
    close: () => source.close(),
  };
}

/** @returns the fingerprint of the certificate */
function expectTrusted({ state, reason, issuer, certificate }: BundleSignature): string {
  if (state === 'good' && certificate !== undefined) return certificate.fingerprint;
  if (state === 'bad') throw new DepotError('BUNDLE_INVALID', `the signature of bundle.json ${reason}`);
  const advice =
    state === 'unknown-key'
      ? `the bundle is signed by the key ${issuer}, which is not trusted here: compare the fingerprint with whoever made the ` +
        `bundle, then bootdepot key trust ${issuer} --from BUNDLE`
      : `the signature of bundle.json was ${reason}`;
  throw new DepotError('BUNDLE_UNTRUSTED', advice, { issuer, state });
}

async function judge(
  bytes: Buffer,
  signatureBytes: Buffer,
  keyring: readonly Certificate[],
  now: Date,
): Promise<BundleSignature> {
  const signature = await parseDetachedSignature(signatureBytes).catch((error: unknown) => {
    if (error instanceof DepotError)
      throw new DepotError('BUNDLE_INVALID', `${SIGNATURE_NAME}: ${error.message}`);
    throw error;
  });
  if (!signatureBytes.equals(Buffer.from(await canonicalText(signature)))) {
    throw wrong(SIGNATURE_NAME, 'it is not written as bootdepot writes signatures');
  }
  const hash = createHash(signature.hashName).update(bytes);
  const verdict = await verifyHashed(signature, hash, keyring, now);
  const { issuerFingerprint, issuerKeyId, created } = signature;
  return { ...verdict, issuer: issuerFingerprint ?? issuerKeyId, created };
}

/** A file whose size only its header says. */
async function readFirst(source: ByteSource, path: string, maxBytes: number): Promise<Buffer> {
  const block = await source.take(BLOCK_BYTES, path);
  const size = sizeOfFirst(block, path);
  if (size === undefined)
    throw wrong(path, `expected its header, found ${describeHeader(block)}: not a bundle`);
  if (size > maxBytes) throw wrong(path, `${size} bytes, expected ${maxBytes} at most`);
  const bytes = await source.take(size, path);
  await expectPadding(source, { path, size });
  return bytes;
}

async function* readFiles(source: ByteSource, files: readonly PlacedFile[]): AsyncGenerator<BundleEntry> {
  for (const file of files) {
    await expectHeader(source, file);
    const { path, size, digest } = file;
    const expected = { digest, size, name: path, code: 'BUNDLE_INVALID' } as const;
    const body = checkedBytes(source.stream(size, path), expected);
    // A consumer that stops reading does not end the stream for those that follow.
    yield { file, body: { [Symbol.asyncIterator]: () => ({ next: () => body.next() }) } };
    while ((await body.next()).done !== true);
    await expectPadding(source, file);
  }
  const end = await source.take(END_MARK.length, 'its end');
  if (!end.equals(END_MARK)) {
    const found = describeHeader(end.subarray(0, BLOCK_BYTES));
    throw wrong('the end of the bundle', `expected nothing more, found ${found}`);
  }
}

async function expectHeader(source: ByteSource, file: TarFile): Promise<void> {
  const expected = headerOf(file);
  const found = await source.take(expected.length, file.path);
  if (found.equals(expected)) return;
  const what = describeHeader(found.subarray(-BLOCK_BYTES));
  throw wrong(file.path, `expected the header of a plain file of ${file.size} bytes, found ${what}`);
}

async function expectPadding(source: ByteSource, { path, size }: TarFile): Promise<void> {
  const padding = await source.take(paddingOf(size), path);
  if (!isAllZero(padding)) throw wrong(path, 'the bytes behind it are not zero');
}

function wrong(path: string, problem: string): DepotError {
  return new DepotError('BUNDLE_INVALID', `${path}: ${problem}`, { file: path });
}
