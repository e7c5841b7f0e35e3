/** Images by their names in registries: the depot's own, upstreams as they are configured, any other one. */
import type { Config } from '../config/schema.js';
import { DepotError } from '../errors.js';
import type { Registry } from '../registry/open-registry.js';
import { NamedSources } from '../registry/upstream/named-sources.js';
import { HUB } from '../registry/upstream/names.js';
import { TIMING, type Timing } from '../registry/upstream/timing.js';
import { findOwn } from './own-repository.js';
import type { Platform } from './platform.js';
import { HUB_REGISTRY, type ParsedReference, parseImageReference } from './reference.js';
import { openRegistryImage } from './registry-image.js';
import { remoteRepository } from './remote-repository.js';
import type { ImageReference, ImageSource } from './source.js';

/** The registries that images are looked for in. */
export interface Registries {
  /** The depot's own; `undefined` where there is none. */
  readonly own: Registry | undefined;
  readonly config: Pick<Config['registry'], 'upstreams' | 'offline'>;
  /** Whether plain http is spoken with other machines, too. */
  readonly insecure: boolean;
  /** Where proxies and files of passwords are named. */
  readonly env: Readonly<NodeJS.ProcessEnv>;
  /** What is to be other than usual. */
  readonly timing?: Partial<Timing> | undefined;
}

/** How a named image is opened. */
export interface NamedChoice {
  readonly platform: Platform | undefined;
  readonly reference: ImageReference | undefined;
  readonly scratch: string;
}

/**
 * Opens an image by its name without a scheme: in the depot's own registry, else in an upstream that is configured.
 *
 * @throws DepotError `MANIFEST_UNKNOWN`: it is neither here nor there; as {@link openRemote}
 */
export async function openNamed(
  text: string,
  registries: Registries,
  choice: NamedChoice,
): Promise<ImageSource> {
  const { own, config } = registries;
  const asked = parseImageReference(text);
  const upstreams = Object.keys(config.upstreams);
  const found = own && (await findOwn(own, asked, upstreams));
  if (found !== undefined) {
    const reference = choice.reference ?? (found.isPlain ? { ...asked, host: undefined } : asked);
    return openRegistryImage(found, { target: asked.target, platform: choice.platform, reference });
  }
  const isUpstream = upstreams.includes(upstreamOf(asked));
  if (isUpstream && !config.offline) return openRemote(text, registries, choice);
  const why = isUpstream ? 'the registry is offline' : `docker://${text} asks its registry`;
  throw new DepotError(
    'MANIFEST_UNKNOWN',
    `the depot's registry has no ${text}, and no file has that name; ${why}`,
  );
}

/**
 * Opens an image in the registry that its name begins with.
 *
 * @param text - without `docker://`
 * @throws DepotError `NAME_INVALID`, `TAG_INVALID`, `DIGEST_INVALID`; `MANIFEST_UNKNOWN`; `UPSTREAM_FAILED`,
 *   `UPSTREAM_TIMEOUT`; `CONFIG_INVALID`: a file of passwords, a credential helper; as {@link openRegistryImage}
 */
export async function openRemote(
  text: string,
  registries: Registries,
  choice: NamedChoice,
): Promise<ImageSource> {
  const asked = parseImageReference(text);
  const timing = { ...TIMING, ...registries.timing };
  const sources = new NamedSources({ ...registries, insecure: () => registries.insecure, timing });
  const source = await sources.of(upstreamOf(asked), asked.repository);
  const place = { source, repository: asked.repository, timing, scratch: choice.scratch };
  const repository = remoteRepository(place);
  try {
    const reference = choice.reference ?? asked;
    return await openRegistryImage(repository, {
      target: asked.target,
      platform: choice.platform,
      reference,
    });
  } catch (error) {
    await repository.close();
    throw error;
  }
}

/** Docker's hub has one name for people and another for its registry. */
function upstreamOf({ host }: ParsedReference): string {
  return host === HUB_REGISTRY ? HUB : host;
}
