/** The file name under which an image is served: `coreos-hyperkube:v1.3.6_coreos.0.aci`. */
import { DepotError } from '../errors.js';
import type { ImageManifest } from './image-manifest.js';
import { valueNamed } from './manifest-values.js';

/** What file systems allow in one name. */
const NAME_LIMIT_BYTES = 255;
const SIGNATURE_ENDING = '.asc';

/**
 * Names an image by its manifest: the name without its host, the parts of its path joined with `-`, then `:` and
 * the `version` label. The first part is a host if it has a dot or is `localhost`, and is not all there is. Without
 * a version there is no colon. What no file name or URL path may hold in a version (`/`, `\`, control characters)
 * becomes `-`.
 *
 * @throws DepotError `ACI_INVALID`: the name is too long for a file, its signature's ending counted in
 */
export function colonNameOf(manifest: ImageManifest): string {
  const [first = '', ...rest] = manifest.name.split('/').filter((part) => part !== '');
  const hasHost = rest.length > 0 && (first.includes('.') || first === 'localhost');
  const repository = hasHost ? rest : [first, ...rest];
  const version = (valueNamed(manifest.labels, 'version') ?? '').replace(/[\p{C}\p{Zl}\p{Zp}/\\]/gu, '-');
  const name = `${repository.join('-')}${version === '' ? '' : `:${version}`}.aci`;
  if (Buffer.byteLength(name + SIGNATURE_ENDING) <= NAME_LIMIT_BYTES) return name;
  const limit = NAME_LIMIT_BYTES - SIGNATURE_ENDING.length;
  throw new DepotError(
    'ACI_INVALID',
    `the name ${name} is too long for a file, expected at most ${limit} bytes`,
  );
}
