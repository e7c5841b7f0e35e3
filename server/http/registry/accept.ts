/** What old clients can read: rkt's docker2aci and others know images, and no lists of them. */
import { bareType, type Digest, isIndexType, isManifestType, type Manifest } from '../../index.js';

/**
 * Which image stands in for an index that a client cannot read: the one for linux on amd64.
 *
 * @param accept - the field as Node gives it, several joined with commas; who sends none is given what is there
 * @returns `undefined`: the client can read the index, or says nothing that a registry understands, or there is no such image
 */
export function commonImageFor(
  accept: string | undefined,
  { mediaType, manifests }: Manifest,
): Digest | undefined {
  if (!isIndexType(mediaType) || accept === undefined) return undefined;
  const types = accept.split(',').map(bareType);
  if (types.some((type) => type === '*/*' || type === 'application/*')) return undefined;
  const known = types.filter(isManifestType);
  if (known.length === 0 || known.some(isIndexType)) return undefined;
  return manifests.find(({ platform }) => platform?.os === 'linux' && platform.architecture === 'amd64')
    ?.digest;
}
