/** Names and passwords that `docker login`, `skopeo login` and their like have put down. Docker's config.json, `auths`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DepotError, fileError } from '../../errors.js';
import { HUB } from './names.js';

/** A name and its password. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

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
});
const HUB_HOSTS: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/**
 * Finds who we are for a repository: in `$DOCKER_CONFIG/config.json`, `$REGISTRY_AUTH_FILE`, `~/.docker/config.json`, the
 * first that knows. Of several entries the one that says most of the repository's name counts.
 *
 * @param host - such as `quay.io`
 * @param repository - as its registry calls it
 * @returns `undefined` if we are nobody there
 * @throws DepotError `CONFIG_INVALID`: a file is no such file (its content is not told); `ACCESS_DENIED`, `IO_FAILED`
 */
export async function dockerLogin(
  host: string,
  repository: string,
  env: Readonly<NodeJS.ProcessEnv>,
): Promise<Login | undefined> {
  const { DOCKER_CONFIG, REGISTRY_AUTH_FILE, HOME } = env;
  const paths = [
    ...(DOCKER_CONFIG ? [join(DOCKER_CONFIG, 'config.json')] : []),
    ...(REGISTRY_AUTH_FILE ? [REGISTRY_AUTH_FILE] : []),
    ...(HOME ? [join(HOME, '.docker/config.json')] : []),
  ];
  for (const path of paths) {
    const login = await loginIn(path, `${plainHost(host)}/${repository}`);
    if (login !== undefined) return login;
  }
  return undefined;
}

async function loginIn(path: string, wanted: string): Promise<Login | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const failure = fileError(error, path);
    if (failure.code === 'NOT_FOUND') return undefined;
    throw failure;
  });
  if (text === undefined) return undefined;
  const entries = Object.entries(parse(text, path).auths ?? {});
  const best = entries
    .map(([key, entry]) => ({ place: placeOf(key), entry }))
    .filter(({ place }) => `${wanted}/`.startsWith(`${place}/`))
    .sort((one, other) => other.place.length - one.place.length);
  for (const { entry } of best) {
    const [username = '', password = ''] = entry.auth ? pairOf(entry.auth) : [entry.username, entry.password];
    if (username !== '' && password !== '') return { username, password };
  }
  return undefined;
}

function parse(text: string, path: string): z.output<typeof CONFIG> {
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
