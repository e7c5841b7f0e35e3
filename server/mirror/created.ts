/** When an image was made, as it says itself. */

import { z } from 'zod';
import { type Descriptor, parseManifest } from '../oci/manifest.js';
import type { Tag } from '../oci/reference.js';
import { checkedBytes } from '../stream/checked-bytes.js';
import type { Origin } from './origin.js';

const CREATED = 'org.opencontainers.image.created';
const CONFIG = z.object({ created: z.string().optional() });
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * Asks for the time an image was made: of a list, its first image counts.
 *
 * @returns milliseconds since 1970; `-Infinity` if it does not say
 * @throws DepotError as `Origin.manifest`
 */
export async function createdAt(origin: Origin, tag: Tag): Promise<number> {
  const fetched = await origin.manifest({ tag });
  let manifest = parseManifest(fetched.bytes, fetched.contentType);
  const [first] = manifest.manifests;
  if (first !== undefined && manifest.annotations?.[CREATED] === undefined) {
    const child = await origin.manifest({ digest: first.digest });
    manifest = parseManifest(child.bytes, child.contentType);
  }
  const { annotations, config } = manifest;
  const told = annotations?.[CREATED] ?? (config && (await configured(origin, config)));
  const time = Date.parse(told ?? '');
  return Number.isNaN(time) ? Number.NEGATIVE_INFINITY : time;
}

async function configured(origin: Origin, config: Descriptor): Promise<string | undefined> {
  if (config.size > MAX_CONFIG_BYTES) return undefined;
  try {
    const chunks: Uint8Array[] = [];
    const bytes = checkedBytes(origin.blob(config, 0), { ...config, name: 'the config' });
    for await (const chunk of bytes) chunks.push(chunk);
    return CONFIG.safeParse(JSON.parse(Buffer.concat(chunks).toString('utf8'))).data?.created;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
