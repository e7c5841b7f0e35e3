/** The authority that signed the certificate of a depot, as clients are given it. */
import { X509Certificate } from 'node:crypto';
import { DepotError } from '../errors.js';

/** A checked certificate of an authority. */
export interface CaCertificate {
  /** One block that ends with a newline, written anew. */
  readonly pem: string;
  /** SHA-256 of its DER form: 64 upper-case hex digits. */
  readonly fingerprint: string;
}

/**
 * Reads the certificate of an authority.
 *
 * @param text - PEM; whatever stands outside of its one block is dropped
 * @param name - of the file, for messages
 * @throws DepotError `CERTIFICATE_INVALID`: none, several, or one that vouches for nobody
 */
export function parseCaCertificate(text: string, name: string): CaCertificate {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const [block] = blocks;
  if (block === undefined || blocks.length > 1) throw invalid(name, 'expected one certificate in PEM form');
  const certificate = readBlock(block, name);
  if (!certificate.ca) throw invalid(name, 'is not the certificate of an authority (CA:TRUE)');
  const pem = certificate.toString().replace(/\n*$/, '\n');
  return { pem, fingerprint: certificate.fingerprint256.replaceAll(':', '') };
}

function readBlock(block: string, name: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch (cause) {
    throw invalid(name, 'is not a certificate that can be read', cause);
  }
}

function invalid(name: string, problem: string, cause?: unknown): DepotError {
  return new DepotError('CERTIFICATE_INVALID', `${name}: ${problem}`, { path: name }, { cause });
}
