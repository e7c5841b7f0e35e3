/** Destinations as people write them. */
import type { Config } from '../config/schema.js';
import { DepotError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { isRepositoryName } from '../oci/reference.js';
import { Layout } from '../registry/layout.js';
import { openRegistry } from '../registry/open-registry.js';
import { isLoopback, NamedSources } from '../registry/upstream/named-sources.js';
import type { Timing } from '../registry/upstream/timing.js';
import type { Destination } from './destination.js';
import { FolderDestination } from './folder-destination.js';
import { OciDestination } from './oci-destination.js';
import { PartFiles } from './part-files.js';
import { RegistryDestination } from './registry-destination.js';

/** What destinations are opened with. */
export interface DestinationParts {
  /** The depot's registry folder. */
  readonly registryDir: string;
  readonly config: Pick<Config, 'registry' | 'limits'>;
  /** Whether plain http is spoken with a machine that is not this one. */
  readonly insecure: (host: string) => boolean;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly timing: Partial<Timing>;
  readonly signal: AbortSignal;
  /** Told of content in the depot's folder that did not match its digest. */
  readonly onDamage: (digest: Digest) => void;
}

/** An open destination; closing it ends its connections. */
export interface OpenDestination {
  readonly destination: Destination;
  readonly close: () => Promise<void>;
}

/**
 * Opens a destination.
 *
 * @param text - `oci:DIR`; `docker://HOST[/PREFIX]` or an address with `https://` or `http://`; `undefined`: the depot's folder
 * @throws DepotError `USAGE`; `CONFIG_INVALID`: a file of passwords; `ACCESS_DENIED`, `DISK_FULL`, `IO_FAILED`
 */
export async function openDestination(
  text: string | undefined,
  parts: DestinationParts,
): Promise<OpenDestination> {
  if (text === undefined) return closing(new FolderDestination(await ownRegistry(parts)));
  if (text.startsWith('oci:') && text.length > 'oci:'.length)
    return closing(new OciDestination(text.slice(4)));
  const [, scheme, host = '', prefix = ''] = /^(docker|https?):\/\/([^/]+)\/?(.*?)\/?$/.exec(text) ?? [];
  if (scheme === undefined || (prefix !== '' && !isRepositoryName(prefix))) {
    throw new DepotError(
      'USAGE',
      `--to: expected oci:DIR, docker://HOST or https://HOST, each with a path or not, got ${text}`,
    );
  }
  if (scheme === 'http' && !isLoopback(host) && !parts.insecure(host)) {
    throw new DepotError(
      'USAGE',
      `--to: ${host} is spoken to by https, unless --insecure-registry ${host} is given`,
    );
  }
  return openRemote(host, prefix, parts);
}

function closing(destination: Destination): OpenDestination {
  return { destination, close: () => destination.close() };
}

function ownRegistry({ registryDir, config, onDamage }: DestinationParts) {
  return openRegistry({
    dir: registryDir,
    immutableTags: config.registry.immutableTags,
    freeSpace: config.limits.freeSpace,
    onDamage,
  });
}

async function openRemote(host: string, prefix: string, parts: DestinationParts): Promise<OpenDestination> {
  const { config, registryDir, signal } = parts;
  const configured = config.registry.upstreams[host];
  // What is sent goes to the registry itself, never to its mirrors.
  const upstreams = configured === undefined ? {} : { [host]: { ...configured, mirrors: [] } };
  const sources = new NamedSources({ ...parts, config: { upstreams } });
  const source = await sources.of(host, prefix);
  const waiting = new PartFiles(new Layout(registryDir).own('mirror'));
  const destination = new RegistryDestination({ source, prefix, parts: waiting, signal });
  return {
    destination,
    async close() {
      await destination.close();
      await sources.close();
    },
  };
}
