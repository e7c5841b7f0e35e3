/** Registries by the names that images have: upstreams as they are configured, any other one as its name says. */
import type { Config } from '../../config/schema.js';
import { createDial } from './dial.js';
import { dockerLogin } from './docker-config.js';
import { HUB } from './names.js';
import { Source } from './source.js';
import { TIMING, type Timing } from './timing.js';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/;

/** What is known of registries. */
export interface NamedSourceOptions {
  readonly config: Pick<Config['registry'], 'upstreams'>;
  /** Whether plain http is spoken with a machine that is not this one. */
  readonly insecure: (host: string) => boolean;
  /** Where proxies and files of passwords are named. */
  readonly env: Readonly<NodeJS.ProcessEnv>;
  /** What is to be other than usual. */
  readonly timing?: Partial<Timing> | undefined;
}

/** Whether a host, with or without a port, is this machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** Registries that are asked, each once for all its repositories for which we are the same. */
export class NamedSources {
  readonly timing: Timing;
  readonly #options: NamedSourceOptions;
  readonly #sources = new Map<string, Promise<Source>>();

  constructor(options: NamedSourceOptions) {
    this.#options = options;
    this.timing = { ...TIMING, ...options.timing };
  }

  /**
   * Finds the registry of a repository.
   *
   * @param host - such as `quay.io`, `docker.io`, `localhost:5000`
   * @param repository - as the registry calls it
   * @throws DepotError `CONFIG_INVALID`, `ACCESS_DENIED`, `IO_FAILED`: a file of passwords, a credential helper
   */
  async of(host: string, repository: string): Promise<Source> {
    const { config, env } = this.#options;
    const configured = config.upstreams[host];
    const isKnown = configured?.username !== undefined || configured?.tokenFile !== undefined;
    // Another address than the name says is not shown what was put down for the name.
    const login =
      isKnown || configured?.url !== undefined
        ? undefined
        : await dockerLogin({ host, repository, env, helperMs: this.timing.helper });
    const key = JSON.stringify([host, login]);
    const known = this.#sources.get(key) ?? this.#open(host, { mirrors: [], ...configured, ...login });
    this.#sources.set(key, known);
    return known;
  }

  /** Breaks all connections off. */
  async close(): Promise<void> {
    const sources = await Promise.allSettled(this.#sources.values());
    await Promise.all(sources.map((each) => (each.status === 'fulfilled' ? each.value.close() : undefined)));
  }

  async #open(host: string, access: ConstructorParameters<typeof Source>[1]): Promise<Source> {
    const { env } = this.#options;
    const url = access.url ?? (host === HUB ? undefined : await this.#addressOf(host));
    return new Source(host, { ...access, url }, { env, timing: this.timing });
  }

  /** https, where it is spoken or nothing else may be. */
  async #addressOf(host: string): Promise<string> {
    const secure = `https://${host}`;
    const { env, insecure } = this.#options;
    if (!insecure(host) && !isLoopback(host)) return secure;
    const signal = AbortSignal.timeout(this.timing.headers);
    const dial = createDial({ upstream: host, env, timing: this.timing });
    try {
      (await dial.ask(new URL(`${secure}/v2/`), { method: 'GET', headers: {}, signal })).drop();
      return secure;
    } catch {
      return `http://${host}`;
    } finally {
      await dial.close();
    }
  }
}
