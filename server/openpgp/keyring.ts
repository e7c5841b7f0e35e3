/** Keyrings: the certificates that signatures are checked against. */
import { stat } from 'node:fs/promises';
import { fileError } from '../errors.js';
import { readKeyFile } from './blocks.js';
import { type Certificate, parseCertificates } from './certificate.js';
import { type OnRefused, publishedKeys } from './published-keys.js';

/**
 * Reads a keyring.
 *
 * @param path - a file of certificates, armored or binary; or the folder of keys, of which every published
 *   certificate counts
 * @param onRefused - is told of files in the folder that do not count: a signature by such a key is then one by an
 *   unknown key, never a good one
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`; `CERTIFICATE_INVALID`: a file that holds something else
 */
export async function readKeyring(path: string, onRefused?: OnRefused): Promise<Certificate[]> {
  const info = await stat(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  if (!info.isDirectory()) return parseCertificates(await readKeyFile(path), path);
  const { keys } = await publishedKeys(path, onRefused)();
  return keys.map(({ certificate }) => certificate);
}
