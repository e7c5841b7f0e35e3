/** The signing key of a folder as it is now, for a server that outlives a rotation of its keys. */
import { stat } from 'node:fs/promises';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { fileError, systemCode } from '../errors.js';
import { secretPath } from './key-folder.js';
import type { AskPassphrase } from './secret-key.js';
import { loadSigningKey, type SigningKey } from './signing-key.js';

/**
 * Makes a function that gives the key. The key is opened anew only when its file has changed.
 *
 * @returns gives `undefined` if there is no key; throws DepotError as {@link loadSigningKey}
 */
export function currentSigningKey(
  keysDir: string,
  passphrase: AskPassphrase,
): () => Promise<SigningKey | undefined> {
  let known: { readonly version: FileVersion; readonly key: Promise<SigningKey> } | undefined;
  return async () => {
    const path = secretPath(keysDir);
    const version = await stat(path).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw fileError(error, path);
    });
    if (version === undefined) return undefined;
    if (known === undefined || !sameVersion(known.version, version)) {
      const made = { version, key: loadSigningKey(keysDir, passphrase) };
      known = made;
      // A key that could not be opened is tried again: its passphrase may have come since.
      made.key.catch(() => {
        if (known === made) known = undefined;
      });
    }
    return known.key;
  };
}
