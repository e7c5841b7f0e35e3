/** Where a depot keeps what it has of another registry. */
import { folderName } from '../registry/upstream/names.js';
import type { HostPort } from './address.js';

/** `depot:5000/quay.io`: put before the rest of a name. */
export function mirrorPath(registry: HostPort, host: HostPort): string {
  return `${registry}/${folderName(host)}`;
}

/** The root of the API for that, as clients take it which append nothing: `http://depot:5000/v2/quay.io`. */
export function mirrorUrl(registryUrl: string, host: HostPort): string {
  return `${registryUrl}/v2/${folderName(host)}`;
}
