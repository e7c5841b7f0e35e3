/** Whether the depot can do its work, in words that name no path of the server. */
import { join } from 'node:path';
import { type Config, checkFolder } from '../index.js';

/** The answer of `/readyz`. */
export interface Readiness {
  readonly ready: boolean;
  /** `ok`, or what is wrong, by part of the depot. */
  readonly checks: Readonly<Record<string, string>>;
  /** How many files are in which signature state; only where the server signs by itself. */
  readonly signatures?: Readonly<Record<string, number>>;
}

/** A server that signs by itself, as the other parts see it. */
export interface Signing {
  /** `ok`, or why it does not sign. */
  condition(): string;
  /** How many files are in which signature state. */
  counts(): Readonly<Record<string, number>>;
  /** Whether the signature of that name, relative to the assets folder, is being made, or is one of other bytes. */
  signatureState(name: string): 'pending' | 'withheld' | 'settled';
}

/** Looks at the folders and, where the server signs, at the signing; a few system calls each time. */
export async function readinessOf(config: Config, signing: Signing | undefined): Promise<Readiness> {
  const { freeSpace } = config.limits;
  const [assets, keys, data, registry] = await Promise.all([
    checkFolder(config.assets.dir, { writable: config.sign.auto, freeBytes: freeSpace }),
    checkFolder(config.keys.dir, { writable: false, freeBytes: 0 }),
    checkFolder(config.data.dir, { writable: true, freeBytes: freeSpace }),
    checkFolder(join(config.data.dir, 'registry'), { writable: true, freeBytes: 0 }),
  ]);
  const checks = {
    assets,
    keys,
    data,
    ...(registry !== 'ok' && { registry }),
    ...(signing && { signing: signing.condition() }),
  };
  const ready = Object.values(checks).every((state) => state === 'ok');
  return { ready, checks, ...(signing && { signatures: signing.counts() }) };
}
