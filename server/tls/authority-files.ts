/** Where the authority of a depot lies, for those who only want to know that. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';

/** Its certificate, in the folder of keys. */
export function authorityPath(keysDir: string): string {
  return join(keysDir, 'ca.crt');
}

/** Its key, beside it. */
export function authorityKeyPath(keysDir: string): string {
  return join(keysDir, 'ca-key.pem');
}

/** Whether a folder of keys has an authority that can issue. */
export async function hasAuthority(keysDir: string): Promise<boolean> {
  const there = [authorityPath(keysDir), authorityKeyPath(keysDir)].map((path) => lstat(path));
  return Promise.all(there).then(
    () => true,
    () => false,
  );
}
