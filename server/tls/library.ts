/** The library for X.509, loaded on first use: most depots have no TLS of their own. */
import { webcrypto } from 'node:crypto';

/** The module, with the cryptography of this runtime. */
export async function loadX509(): Promise<typeof import('@peculiar/x509')> {
  // The library's own parts find each other through it.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

/** How all certificates here are signed: boot firmware knows no other kind of key. */
export const RSA_SHA256 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
