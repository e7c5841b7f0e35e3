/** Who an image says it is, by what clients ask for it. appc/spec, spec/discovery.md. */
import { valueNamed } from '../aci/manifest-values.js';
import { isServedName } from '../disk/safe-path.js';
import { DepotError } from '../errors.js';
import { onFirstCall } from '../on-first-call.js';
import { type AssetsFolder, findAsset } from './asset.js';

/** Where there is no image, nothing that reads one is loaded. */
const identifyAci = onFirstCall(async () => (await import('../aci/identify.js')).identifyAci);

/** The name of an image and the labels that rkt asks for; what the manifest does not say is absent. */
export interface AciIdentity {
  readonly image: string;
  readonly version?: string | undefined;
  readonly os?: string | undefined;
  readonly arch?: string | undefined;
}

/** A label may hold anything of any length; what is longer than a file name is asked for by nobody. */
const TEXT_LIMIT = 255;

/**
 * Reads an asset up to the end of its manifest.
 *
 * @param file - its name relative to the assets folder
 * @throws DepotError `ACI_INVALID`: no image, or one with a name or label that is too long; `NOT_FOUND`: not there, or
 *   nothing that is served; `ACCESS_DENIED`, `IO_FAILED`, `BUSY`
 */
export async function identifyAsset(folder: AssetsFolder, file: string): Promise<AciIdentity> {
  const parts = file.split('/');
  if (!parts.every(isServedName)) throw new DepotError('NOT_FOUND', `${file} has a name that is not served`);
  const asset = await findAsset(folder, { parts, folder: false });
  const { manifest } = await identifyAci(asset.path);
  const [version, os, arch] = ['version', 'os', 'arch'].map((name) => valueNamed(manifest.labels, name));
  const identity = { image: manifest.name, version, os, arch };
  if (Object.values(identity).every((text) => (text?.length ?? 0) <= TEXT_LIMIT)) return identity;
  throw new DepotError(
    'ACI_INVALID',
    `${file}: its name or a label has more than ${TEXT_LIMIT} characters, expected fewer`,
  );
}
