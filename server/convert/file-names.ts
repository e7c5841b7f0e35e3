/** The file names of converted images, made of repository and tag. */
import { DepotError } from '../errors.js';
import type { ImageReference } from './source.js';

/** What file systems allow in one name, less the ending of a signature. */
const NAME_LIMIT_BYTES = 255 - '.asc'.length;

/**
 * How an ACI is called: `colon` as it is served, `coreos-hyperkube:v1.3.6_coreos.0.aci`; `docker2aci` as that program
 * calls it, `coreos-hyperkube-v1.3.6_coreos.0.aci`.
 */
export type NameStyle = 'colon' | 'docker2aci';

/**
 * Names the file of an image; without a tag by its repository alone.
 *
 * @throws DepotError `NAME_INVALID`: too long for a file
 */
export function aciFileName({ repository, tag }: ImageReference, style: NameStyle): string {
  const separator = style === 'colon' ? ':' : '-';
  const name = `${repository.replaceAll('/', '-')}${tag === undefined ? '' : `${separator}${tag}`}.aci`;
  if (Buffer.byteLength(name) <= NAME_LIMIT_BYTES) return name;
  throw new DepotError('NAME_INVALID', `the name ${name} is too long for a file, give another by --name`);
}
