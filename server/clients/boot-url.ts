/** Addresses of boot files as firmware takes them. */
import type { BaseUrl } from './address.js';

/** The address of an asset: a colon as `%3A`, which old and new iPXE send as they should; a plus sign is one. */
export function assetUrl(depot: BaseUrl, path: string): string {
  return `${depot}/assets/${path.replaceAll(':', '%3A')}`;
}

/** The name under which iPXE keeps a file that it fetched. */
export function imageName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replaceAll(':', '-');
}
