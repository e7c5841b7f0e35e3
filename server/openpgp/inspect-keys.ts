/** What a folder of keys holds, for a person who wants to know. */
import { DepotError } from '../errors.js';
import type { Certificate } from './certificate.js';
import { hasSecret, permissionWarnings } from './key-folder.js';
import { publishedKeys } from './published-keys.js';
import { certificationsAreFull } from './rkt-rules.js';
import { readSecret, refuseUnusable } from './signing-key.js';

/** The state of a folder of keys. */
export interface KeyReport {
  /** The certificate that is published as the current one. */
  readonly current: Certificate;
  /** Whether the signing key is here, and needs a passphrase. */
  readonly secret: 'missing' | 'open' | 'locked';
  /** The other published certificates, from new to old. */
  readonly others: readonly Certificate[];
  /** What the operator should know or change, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Looks at a folder of keys. Needs no passphrase.
 *
 * @throws DepotError `KEY_MISSING`: it has neither a signing key nor a certificate; `NOT_FOUND`; `KEY_UNUSABLE`:
 *   the signing key cannot be read
 */
export async function inspectKeys(dir: string, now: Date = new Date()): Promise<KeyReport> {
  const warnings: string[] = [];
  const { keys } = await publishedKeys(dir, (_file, reason) => warnings.push(reason))();
  const [current, ...others] = keys.map(({ certificate }) => certificate);
  const secret = await secretState(dir);
  if (current === undefined) {
    throw new DepotError('KEY_MISSING', `${dir} has no key: make one with bootdepot key create`, {
      path: dir,
    });
  }
  if (secret !== 'missing') warnings.push(...(await permissionWarnings(dir)));
  return { current, secret, others, warnings: [...warnings, ...(await faultsOf(current, now))] };
}

async function secretState(dir: string): Promise<KeyReport['secret']> {
  if (!(await hasSecret(dir))) return 'missing';
  return (await readSecret(dir)).isDecrypted() ? 'open' : 'locked';
}

async function faultsOf(certificate: Certificate, now: Date): Promise<string[]> {
  const faults: string[] = [];
  await refuseUnusable(certificate, now).catch((error: unknown) => {
    faults.push(error instanceof DepotError ? error.message : String(error));
  });
  if (faults.length === 0 && !certificationsAreFull(certificate.key)) {
    faults.push('a self-signature has a short RSA integer: rkt will refuse the key');
  }
  return faults;
}
