/** The certificates that a folder of keys publishes: looked at again on each request, parsed once per version. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileVersion, sameVersion } from '../disk/file-version.js';
import { DepotError, fileError } from '../errors.js';
import { readKeyFile } from './blocks.js';
import { bareKey, type Certificate, certificateOf, parseKeys } from './certificate.js';
import { fingerprintOfName, isRetiredName, readCertificate, SECRET_NAME } from './key-folder.js';
import { parseSecret } from './secret-key.js';

/** A certificate, and when its file was changed. */
export interface PublishedKey {
  readonly certificate: Certificate;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** What a folder publishes at one moment. */
export interface Publication {
  /** That of the signing key; without one here, the newest that is valid. */
  readonly current: PublishedKey | undefined;
  /** All, the current one first, then from new to old. */
  readonly keys: readonly PublishedKey[];
  /** When the folder was changed: a key came, went, or took another's place. Milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** Is told of a file that is not published though it may seem to be: once for each version of the file. */
export type OnRefused = (file: string, reason: string) => void;

/** What one version of a file turned out to be. */
interface Look {
  readonly version: FileVersion;
  /** Settles to nothing for a file that publishes nothing. */
  readonly key: Promise<Certificate | undefined>;
}

/**
 * Watches a folder of keys by looking.
 *
 * @returns a function that tells what is published now
 * @throws DepotError (from that function) `NOT_FOUND`, `ACCESS_DENIED`: the folder cannot be read
 */
export function publishedKeys(
  dir: string,
  onRefused: OnRefused = () => undefined,
): () => Promise<Publication> {
  const looks = new Map<string, Look>();

  async function look(name: string): Promise<(PublishedKey & { readonly name: string }) | undefined> {
    const version = await stat(join(dir, name)).catch(() => undefined);
    if (version === undefined || !version.isFile()) return undefined;
    let known = looks.get(name);
    if (known === undefined || !sameVersion(known.version, version)) {
      const key = readPublished(dir, name).catch((error: unknown) => {
        onRefused(join(dir, name), error instanceof DepotError ? error.message : String(error));
        return undefined;
      });
      known = { version, key };
      looks.set(name, known);
    }
    const certificate = await known.key;
    return certificate && { certificate, modifiedMs: version.mtimeMs, name };
  }

  return async () => {
    const [names, folder] = await readFolder(dir);
    for (const name of looks.keys()) if (!names.includes(name)) looks.delete(name);
    const seen = (await Promise.all(names.map(look))).filter((key) => key !== undefined);
    return arrange(seen, folder.mtimeMs, new Date());
  };
}

async function readFolder(dir: string) {
  try {
    return await Promise.all([readdir(dir), stat(dir)]);
  } catch (error) {
    throw fileError(error, dir);
  }
}

const MAY_HOLD_KEYS = /\.(?:asc|gpg|pgp|key)$/i;

/**
 * The certificate that a file stands for: its own, or that of the secret it holds if it is the signing key.
 *
 * @throws DepotError the file does not hold what its name says, or a secret that does not belong there
 */
async function readPublished(dir: string, name: string): Promise<Certificate | undefined> {
  const path = join(dir, name);
  if (name === SECRET_NAME)
    return certificateOf(await bareKey(await parseSecret(await readKeyFile(path), path)));
  const fingerprint = fingerprintOfName(name);
  if (fingerprint !== undefined) return readCertificate(dir, fingerprint);
  if (MAY_HOLD_KEYS.test(name) && !isRetiredName(name)) await refuseSecrets(path);
  return undefined;
}

async function refuseSecrets(path: string): Promise<void> {
  const keys = await parseKeys(await readKeyFile(path), path).catch(() => []);
  if (keys.some((key) => key.isPrivate())) {
    const message = `${path} holds a secret key: it is not served, but it does not belong in this folder`;
    throw new DepotError('CERTIFICATE_INVALID', message, { path });
  }
}

function arrange(
  seen: readonly (PublishedKey & { readonly name: string })[],
  modifiedMs: number,
  now: Date,
): Publication {
  const signing = seen.find((key) => key.name === SECRET_NAME);
  const files = seen.filter((key) => key !== signing).sort(newestFirst);
  const own =
    files.find((key) => key.certificate.fingerprint === signing?.certificate.fingerprint) ?? signing;
  const current = own ?? files.find(({ certificate }) => isValid(certificate, now)) ?? files[0];
  const others = files.filter((key) => key !== current);
  return { current, keys: current === undefined ? [] : [current, ...others], modifiedMs };
}

function newestFirst(one: PublishedKey, other: PublishedKey): number {
  const byCreation = other.certificate.created.getTime() - one.certificate.created.getTime();
  return byCreation !== 0 ? byCreation : other.modifiedMs - one.modifiedMs;
}

function isValid({ revoked, created, expires }: Certificate, now: Date): boolean {
  return !revoked && created <= now && (expires === undefined || expires > now);
}
