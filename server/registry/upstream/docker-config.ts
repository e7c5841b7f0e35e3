/**
 * Names and passwords that `docker login`, `skopeo login` and their like have put down. Docker's config.json, `auths`,
 * `credHelpers` and `credsStore`.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DepotError, fileError } from '../../errors.js';
import { askHelper, type Login } from './credential-helper.js';
import { HUB } from './names.js';

const CONFIG = z.object({
  auths: z
    .record(
      z.string(),
      z.object({
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
      }),
    )
    .nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: z.string().nullish(),
});
type DockerConfig = z.output<typeof CONFIG>;

/** Who asks, and for what. */
export interface LoginWish {
  /** Such as `quay.io`. */
  readonly host: string;
  /** As its registry calls it. */
  readonly repository: string;
  /** Where the files are named, and what helpers get. */
  readonly env: Readonly<NodeJS.ProcessEnv>;
  /** How long a helper may take, in milliseconds. */
  readonly helperMs: number;
}

/** What docker calls its hub to helpers. */
const HUB_SERVER = 'https://index.docker.io/v1/';
const HUB_HOSTS: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/**
 * Finds who we are for a repository: in `$DOCKER_CONFIG/config.json`, `$REGISTRY_AUTH_FILE`, `~/.docker/config.json`, the
 * first that knows. In each a helper for that very registry comes first, then the entry that says most of the
 * repository's name, then the helper for all registries.
 *
 * @returns `undefined` if we are nobody there
 * @throws DepotError `CONFIG_INVALID`: a file is no such file (its content is not told), or as {@link askHelper};
 *   `ACCESS_DENIED`, `IO_FAILED`
 */
export async function dockerLogin(wish: LoginWish): Promise<Login | undefined> {
  const { DOCKER_CONFIG, REGISTRY_AUTH_FILE, HOME } = wish.env;
  const paths = [
    ...(DOCKER_CONFIG ? [join(DOCKER_CONFIG, 'config.json')] : []),
    ...(REGISTRY_AUTH_FILE ? [REGISTRY_AUTH_FILE] : []),
    ...(HOME ? [join(HOME, '.docker/config.json')] : []),
  ];
  for (const path of paths) {
    const config = await readConfig(path);
    const login = config && (await loginIn(config, wish));
    if (login !== undefined) return login;
  }
  return undefined;
}

async function readConfig(path: string): Promise<DockerConfig | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const failure = fileError(error, path);
    if (failure.code === 'NOT_FOUND') return undefined;
    throw failure;
  });
  return text === undefined ? undefined : parse(text, path);
}

async function loginIn(config: DockerConfig, wish: LoginWish): Promise<Login | undefined> {
  const host = plainHost(wish.host);
  const ask = (name: string | null | undefined): Promise<Login | undefined> | undefined =>
    name
      ? askHelper({
          name,
          server: host === HUB ? HUB_SERVER : host,
          env: wish.env,
          withinMs: wish.helperMs,
        })
      : undefined;
  const own = Object.entries(config.credHelpers ?? {}).find(([key]) => placeOf(key) === host)?.[1];
  return (
    (await ask(own)) ?? writtenLogin(config, `${host}/${wish.repository}`) ?? (await ask(config.credsStore))
  );
}

function writtenLogin({ auths }: DockerConfig, wanted: string): Login | undefined {
  const best = Object.entries(auths ?? {})
    .map(([key, entry]) => ({ place: placeOf(key), entry }))
    .filter(({ place }) => `${wanted}/`.startsWith(`${place}/`))
    .sort((one, other) => other.place.length - one.place.length);
  for (const { entry } of best) {
    const [username = '', password = ''] = entry.auth ? pairOf(entry.auth) : [entry.username, entry.password];
    if (username !== '' && password !== '') return { username, password };
  }
  return undefined;
}

function parse(text: string, path: string): DockerConfig {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    raw = undefined;
  }
  const parsed = CONFIG.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new DepotError('CONFIG_INVALID', `${path}: expected the JSON that docker login writes`, { path });
}

function pairOf(auth: string): [string, string] {
  const pair = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = pair.indexOf(':');
  return colon === -1 ? ['', ''] : [pair.slice(0, colon), pair.slice(colon + 1)];
}

/** `https://index.docker.io/v1/` is `docker.io`, `quay.io/coreos` is itself. */
function placeOf(key: string): string {
  const [host = '', ...path] = key
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '')
    .split('/');
  return [plainHost(host), ...path].join('/');
}

function plainHost(host: string): string {
  return HUB_HOSTS.has(host) ? HUB : host;
}
