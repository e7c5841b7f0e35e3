/**
 * Manifests that are asked for often, answered from memory: bytes that were checked, under headers that are ready. The links
 * and the bytes on the disk are looked at for each answer, so a tag that was moved or deleted, here or by another program,
 * is never answered with what it had.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  isIndexType,
  KnownFiles,
  type ManifestType,
  type Reference,
  type Registry,
  type RepositoryName,
  type StoredManifest,
} from '../../index.js';
import { EVERYWHERE, type Headers, identity, setHeaders } from './answer.js';

/** The address of a manifest, as it was sent. */
export interface ManifestAddress {
  readonly name: string;
  readonly reference: string;
}

/** A bounded memory of answers with manifests. */
export interface HotManifests {
  /**
   * Answers, if the manifest is known and the request asks for no more than that. Synchronous. Whoever calls has made
   * sure that the client may read the repository.
   *
   * @returns false when someone else must answer; nothing has been touched then
   */
  answer(req: IncomingMessage, res: ServerResponse, address: ManifestAddress): boolean;
  /** Learns a manifest that is here, in its own time. */
  learn(repository: RepositoryName, reference: Reference): void;
}

/** An answer that is ready. */
interface Ready {
  /** Its bytes as characters of Latin-1, which leave in one write with the header fields; large ones as they are. */
  readonly body: string | Buffer;
  readonly mediaType: ManifestType;
  readonly etag: string;
  readonly whole: Headers;
  readonly notModified: Headers;
}

type Wish = 'whole' | 'not-modified' | 'other';

/** Bytes; longer bodies are not worth the copy. */
const MOST_IN_ONE_WRITE = 16 * 1024;

/** What header fields cost, roughly. */
const HEADER_BYTES = 1024;

/**
 * Makes an empty memory.
 *
 * @param maxBytes - all that is kept
 */
export function createHotManifests(registry: Registry, maxBytes: number): HotManifests {
  const known = new KnownFiles<Ready>(maxBytes);
  return {
    answer(req, res, { name, reference }) {
      if (!mayComeFromMemory(req, reference)) return false;
      const ready = known.find(keyOf(name, reference));
      const wish = ready === undefined ? 'other' : wishOf(req, ready);
      if (ready === undefined || wish === 'other') return false;
      send(res, wish, ready);
      return true;
    },
    learn(repository, reference) {
      known.learn(keyOf(repository, reference.digest ?? reference.tag), async (watch) => {
        const found = await registry.manifests.find(repository, reference, watch);
        return found && { value: readyAnswer(found), bytes: found.bytes.length + HEADER_BYTES };
      });
    },
  };
}

/** Fields are set one by one, so that those who note what was answered find them. */
function send(res: ServerResponse, wish: Exclude<Wish, 'other'>, ready: Ready): void {
  if (wish === 'not-modified') {
    res.statusCode = 304;
    setHeaders(res, ready.notModified);
    res.end();
  } else {
    setHeaders(res, ready.whole);
    if (res.req.method === 'HEAD') res.end();
    else res.end(ready.body, 'latin1');
  }
}

function readyAnswer({ digest, bytes, manifest }: StoredManifest): Ready {
  const notModified = { ...EVERYWHERE, ...identity(digest) };
  const whole = {
    ...notModified,
    'Content-Type': manifest.mediaType,
    'Content-Length': String(bytes.length),
  };
  return {
    body: bytes.length > MOST_IN_ONE_WRITE ? bytes : bytes.toString('latin1'),
    mediaType: manifest.mediaType,
    etag: `"${digest}"`,
    whole,
    notModified,
  };
}

/**
 * Whether a request may be answered from memory, whatever is kept there. A query may ask for another registry's manifest. Who
 * asks by HEAD for a digest is about to leave something out of a push, which is for the slow way to note.
 */
function mayComeFromMemory({ method, url = '' }: IncomingMessage, reference: string): boolean {
  if (url.includes('?')) return false;
  return method === 'GET' || (method === 'HEAD' && !reference.includes(':'));
}

/** What a request wants. Looks at the raw headers: to have them parsed costs more than the whole answer. */
function wishOf({ rawHeaders }: IncomingMessage, { etag, mediaType }: Ready): Wish {
  let wish: Wish = 'whole';
  let accepts: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const value = rawHeaders[index + 1] ?? '';
    if (isNamed(name, 'if-none-match')) {
      if (value !== etag) return 'other';
      wish = 'not-modified';
    } else if (isNamed(name, 'accept')) {
      accepts = accepts === undefined ? value : `${accepts},${value}`;
    }
  }
  return isTaken(mediaType, accepts) ? wish : 'other';
}

function isNamed(name: string, lowerCase: string): boolean {
  return name.length === lowerCase.length && name.toLowerCase() === lowerCase;
}

/** Some old clients take images and no indexes, and may want one of the images that an index lists. */
function isTaken(mediaType: ManifestType, accepts: string | undefined): boolean {
  if (accepts === undefined || !isIndexType(mediaType)) return true;
  return accepts.includes(mediaType) || accepts.includes('*/*');
}

/** Tags have no colon, digests do. */
function keyOf(name: string, reference: string): string {
  return `${name}@${reference}`;
}
