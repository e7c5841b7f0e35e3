/** The certificate of the TLS listeners, followed while the server runs. */
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { types } from 'node:util';
import { DepotError, fileError } from '../index.js';

/** A certificate with its chain, and its key, both as PEM. */
export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The files of a key pair. */
export interface KeyPairFiles {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads a key pair and makes sure that its halves belong together.
 *
 * @throws DepotError `CERTIFICATE_INVALID`: no PEM, the key of another certificate, a key with a passphrase;
 *   else as reading fails
 */
export async function readKeyPair(files: KeyPairFiles): Promise<KeyPair> {
  const [cert, key] = await Promise.all([readPem(files.cert), readPem(files.key)]);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const reason = types.isNativeError(error) ? error.message : String(error);
    throw new DepotError(
      'CERTIFICATE_INVALID',
      `${files.cert} and ${files.key} are no certificate with its key in PEM, without a passphrase: ${reason}`,
      { cert: files.cert, key: files.key },
      { cause: error },
    );
  }
  return { cert, key };
}

async function readPem(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
}

/** The two files are seldom replaced in the same instant. */
const SETTLE_MS = 250;

/**
 * Follows the files of a key pair. They are looked at, not subscribed to: that also notices links that are
 * switched, as certificate tools and Kubernetes do.
 *
 * @param everyMs - how often to look
 * @param changed - called some time after a file has changed
 * @returns a function that ends it
 */
export function followKeyPair(files: KeyPairFiles, everyMs: number, changed: () => void): () => void {
  let settle: NodeJS.Timeout | undefined;
  const later = () => {
    clearTimeout(settle);
    settle = setTimeout(changed, SETTLE_MS).unref();
  };
  const paths = [files.cert, files.key];
  for (const path of paths) watchFile(path, { interval: everyMs, persistent: false }, later);
  return () => {
    clearTimeout(settle);
    for (const path of paths) unwatchFile(path, later);
  };
}
