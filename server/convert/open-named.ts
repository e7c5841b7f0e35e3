/** Images by their names in registries: the depot's own, upstreams as they are configured, any other one. */
import type { Config } from '../config/schema.js';
import { DepotError } from '../errors.js';
import type { Registry } from '../registry/open-registry.js';
import { createDial } from '../registry/upstream/dial.js';
import { dockerLogin } from '../registry/upstream/docker-config.js';
import { HUB } from '../registry/upstream/names.js';
import { Source } from '../registry/upstream/source.js';
import { TIMING, type Timing } from '../registry/upstream/timing.js';
import { findOwn } from './own-repository.js';
import type { Platform } from './platform.js';
import { HUB_REGISTRY, type ParsedReference, parseImageReference } from './reference.js';
import { openRegistryImage } from './registry-image.js';
import { remoteRepository } from './remote-repository.js';
import type { ImageReference, ImageSource } from './source.js';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/;

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
 *   `UPSTREAM_TIMEOUT`; `CONFIG_INVALID`: a file of passwords; as {@link openRegistryImage}
 */
export async function openRemote(
  text: string,
  registries: Registries,
  choice: NamedChoice,
): Promise<ImageSource> {
  const asked = parseImageReference(text);
  const timing = { ...TIMING, ...registries.timing };
  const source = await sourceOf(asked, registries, timing);
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

async function sourceOf(asked: ParsedReference, registries: Registries, timing: Timing): Promise<Source> {
  const { config, env, insecure } = registries;
  const name = upstreamOf(asked);
  const configured = config.upstreams[name];
  const url =
    configured?.url ?? (name === HUB ? undefined : await addressOf(name, { insecure, env, timing }));
  const isKnown = configured?.username !== undefined || configured?.tokenFile !== undefined;
  // Another address than the name says is not shown what was put down for the name.
  const login =
    isKnown || configured?.url !== undefined ? undefined : await dockerLogin(name, asked.repository, env);
  return new Source(name, { mirrors: [], ...configured, url, ...login }, { env, timing });
}

interface Asking {
  readonly insecure: boolean;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly timing: Timing;
}

/** https, where it is spoken or nothing else may be. */
async function addressOf(host: string, { insecure, env, timing }: Asking): Promise<string> {
  const secure = `https://${host}`;
  if (!insecure && !LOOPBACK.test(host)) return secure;
  const signal = AbortSignal.timeout(timing.headers);
  const dial = createDial({ upstream: host, env, timing });
  try {
    (await dial.ask(new URL(`${secure}/v2/`), { method: 'GET', headers: {}, signal })).drop();
    return secure;
  } catch {
    return `http://${host}`;
  } finally {
    await dial.close();
  }
}
