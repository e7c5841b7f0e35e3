/** An upstream: its mirrors in their order, then itself. */
import type { Config } from '../../config/schema.js';
import type { Credentials } from './authorizer.js';
import { createDial, type Dial, type Reply } from './dial.js';
import { Endpoint, type Question } from './endpoint.js';
import { folderName, HUB } from './names.js';
import type { Timing } from './timing.js';

/** What the configuration says of one upstream. */
export type UpstreamConfig = Config['registry']['upstreams'][string];

/** The same, where its password may be at hand and not in a file. */
export type UpstreamAccess = UpstreamConfig & Credentials;

/** What all upstreams share. */
export interface SourceOptions {
  /** Where proxies are named. */
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly timing: Timing;
}

/** An answer, and who gave it. */
export interface Answer {
  readonly reply: Reply;
  readonly endpoint: Endpoint;
}

/** The name of Docker's hub is not the name of its registry. */
const HUB_URL = 'https://registry-1.docker.io';

/** One upstream registry. */
export class Source {
  /** As clients write it: `quay.io`, `localhost:5001`. */
  readonly name: string;
  /** The first part of the names of its repositories here. */
  readonly folder: string;
  /** Where the registry itself is. */
  readonly address: URL;
  readonly #endpoints: readonly Endpoint[];
  readonly #dial: Dial;

  constructor(name: string, config: UpstreamAccess, { env, timing }: SourceOptions) {
    this.name = name;
    this.folder = folderName(name);
    const dial = createDial({ upstream: name, caFile: config.caFile, env, timing });
    const own = new URL(config.url ?? (name === HUB ? HUB_URL : `https://${name}`));
    this.address = own;
    const endpointAt = (url: URL): Endpoint => {
      // A mirror is somebody else's machine: it is not shown what is meant for the upstream.
      const credentials = url.origin === own.origin ? config : {};
      return new Endpoint({ upstream: name, url, credentials, dial, timing });
    };
    this.#dial = dial;
    this.#endpoints = [...config.mirrors.map((mirror) => new URL(mirror)), own].map(endpointAt);
  }

  /**
   * Asks one address after the other, until one has it.
   *
   * @returns `undefined` if the upstream itself says that there is no such thing
   * @throws DepotError `UPSTREAM_FAILED`, `UPSTREAM_TIMEOUT`: what the upstream itself did
   */
  async ask(question: Question): Promise<Answer | undefined> {
    let failure: unknown;
    for (const endpoint of this.#endpoints) {
      failure = undefined;
      try {
        const reply = await endpoint.ask(question);
        if (reply !== undefined) return { reply, endpoint };
      } catch (error) {
        failure = error;
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** Breaks all connections off. */
  close(): Promise<void> {
    return this.#dial.close();
  }
}
