/** What holds where nobody says otherwise. */
import type { z } from 'zod';
import type { CONFIG_SCHEMA } from './schema.js';

/** The file that is read where none is named, if it is there. */
export const DEFAULT_FILE = 'bootdepot.yaml';

/** The defaults, in the form a configuration file writes them. */
export const CONFIG_DEFAULTS = {
  listen: ['127.0.0.1:8080'],
  assets: { dir: 'assets', listing: true, symlinks: 'inside', cache: [] },
  keys: { dir: 'keys' },
  data: { dir: 'data' },
  sign: { auto: false, hash: 'sha512' },
  aci: { latest: 'newest', hosts: [], cache: '10GiB' },
  convert: {
    auto: [],
    limits: {
      entries: 2_000_000,
      names: 3_000_000,
      text: '512MiB',
      size: '1TiB',
      ratio: 1100,
      ratioFrom: '1GiB',
    },
  },
  registry: {
    write: 'loopback',
    users: 'users.htpasswd',
    rules: [],
    delete: false,
    immutableTags: [],
    allowSparse: false,
    memory: '64MiB',
    gc: { every: '0s', grace: '24h', untagged: 'keep', uploads: '7d' },
    scrub: { every: '0s', speed: '50MiB' },
    notifications: [],
    signOnPush: [],
    signedHosts: [],
    signatureExtension: false,
    offline: false,
    staleTags: '30d',
    upstreams: {},
  },
  tls: {},
  transfers: { sendfile: true, memory: '32MiB' },
  log: { level: 'info', format: 'auto', requests: true },
  limits: {
    headerSize: '32KiB',
    urlLength: '8KiB',
    headerTime: '30s',
    idleTime: '75s',
    connections: 20_000,
    drain: '30s',
    freeSpace: '64MiB',
    uploads: 64,
    uploadsPerClient: 32,
  },
} as const satisfies DeepReadonly<z.input<typeof CONFIG_SCHEMA>>;

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
