/**
 * Every key of the configuration, what it may be, and its default: the one place for both. A new key is a line
 * in the schema, a line in the defaults if it has one, and a line in docs/configuration.md (a test compares).
 */
import picomatch from 'picomatch';
import { z } from 'zod';
import { type Listener, parseListener } from './listener.js';
import { parseDuration, parseSize } from './units.js';

/** A text that a parse function understands; `expected` ends the sentence "expected …". */
function parsed<T>(parse: (text: string) => T | undefined, expected: string) {
  return z.string({ error: expected }).transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', input: text, message: expected });
    return z.NEVER;
  });
}

/** Longer than a timer of Node can wait: it would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const timer = () =>
  parsed((text) => {
    const durationMs = parseDuration(text);
    return durationMs !== undefined && durationMs <= MAX_TIMER_MS ? durationMs : undefined;
  }, 'a duration such as 30s, 5m or 24h, of at most 24 days');
const size = () => parsed(parseSize, 'a size such as 16KiB, 64MiB or 5GiB');
const count = () => z.int({ error: 'a whole number' }).min(1, { error: 'a number of 1 or more' });
const flag = () => z.boolean({ error: 'true or false' });
const path = (what: string) => z.string({ error: what }).min(1, { error: what });
const CACHE_RULE = '{ glob, control }';
const headerValue = () =>
  parsed(
    (text) => (/^[\x20-\x7e]+$/.test(text) ? text : undefined),
    'a Cache-Control value such as no-cache',
  );
const listener = () =>
  parsed<Listener>(parseListener, 'host:port such as 127.0.0.1:8080, https://host:port, or unix:/path');

/** A glob is wrong where a bracket stays open, or where it has what the names it is meant for can never have. */
const glob = (allowed: RegExp, expected: string) =>
  parsed((text) => (allowed.test(text) && isBalanced(text) ? text : undefined), expected);
/** As it begins a name of an image: lower case, no port. */
const HOST_NAME = /^[a-z0-9]+(?:[.-][a-z0-9]+)*$/;

const repositoryGlob = () =>
  glob(/^(?!\/)[a-z0-9._/*?!{},()[\]^@+|-]+$/, 'a pattern of repository names such as team-a/**');
const tagGlob = () =>
  glob(
    /^(?:(?!\/)[a-z0-9._/*?!{},()[\]^@+|-]+:)?[\w.*?!{},()[\]^@+|-]+$/,
    'a pattern of tags such as v*, or of repositories and tags such as prod/**:release-*',
  );

function isBalanced(text: string): boolean {
  try {
    picomatch.makeRe(text, { strictBrackets: true });
    return true;
  } catch {
    return false;
  }
}

const RULE = '{ repositories, read, push, delete }';
const userNames = () =>
  z
    .array(
      z
        .string({ error: 'the name of a user, * or anyone' })
        .regex(/^[^\s:]+$/, { error: 'the name of a user, * or anyone' }),
      {
        error: 'a list of users',
      },
    )
    .optional();

function oneOf<const T extends readonly [string, ...string[]]>(...words: T) {
  return z.enum(words, { error: `one of ${words.join(', ')}` });
}

function parsePublicUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return undefined;
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return undefined;
  return url.href.replace(/\/+$/, '');
}

function parseReceiver(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return undefined;
  return url.username === '' && url.password === '' ? url.href : undefined;
}

/** Who is told what happens in the registry. */
function notification() {
  return z.strictObject({
    name: parsed(
      (text) => (/^[a-z0-9][a-z0-9-]{0,62}$/.test(text) ? text : undefined),
      'a name of lower-case letters, digits and -',
    ),
    url: parsed(parseReceiver, 'an http or https address without a user'),
    headersFile: path('a file').optional(),
    events: z
      .array(oneOf('push', 'pull', 'mount', 'delete'))
      .min(1)
      .default(['push', 'mount', 'delete']),
    repositories: path('a pattern such as team/**').default('**'),
    format: oneOf('distribution', 'cloudevents').default('distribution'),
    timeout: timer().prefault('10s'),
  });
}

function haveNames(receivers: readonly { readonly name: string }[]): boolean {
  return new Set(receivers.map(({ name }) => name)).size === receivers.length;
}

/** An upstream's name is what clients write before the first slash, and the name of a folder. */
const UPSTREAM_NAME = /^[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*(?::\d{1,5})?$/;

/** Without a dot or a colon clients would take it for a part of a name on Docker Hub. */
const SIGNED_HOST =
  /^(?=.*[.:]|localhost$)(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/;

const upstreamUrl = () =>
  parsed(parsePublicUrl, 'an address such as https://quay.io, without a name or password in it');

const upstream = () =>
  z.strictObject(
    {
      url: upstreamUrl().optional(),
      username: path('a name').optional(),
      passwordFile: path('a file').optional(),
      tokenFile: path('a file').optional(),
      caFile: path('a PEM file').optional(),
      mirrors: z.array(upstreamUrl(), { error: 'a list of addresses' }).default([]),
    },
    { error: '{ url, username, passwordFile, tokenFile, caFile, mirrors }, each of them optional' },
  );

const upstreams = () =>
  z
    .record(z.string(), upstream(), { error: 'upstreams by name, such as { quay.io: {} }' })
    .superRefine((all, context) => {
      for (const [name, { username, passwordFile }] of Object.entries(all)) {
        const refuse = (message: string) => context.addIssue({ code: 'custom', path: [name], message });
        if (!UPSTREAM_NAME.test(name)) refuse('the name of a registry such as quay.io or localhost:5001');
        if ((username === undefined) !== (passwordFile === undefined)) {
          refuse('username and passwordFile beside each other');
        }
      }
    });

/** The shape of a configuration. Durations become milliseconds, sizes bytes, listeners addresses. */
export const CONFIG_SCHEMA = z.strictObject({
  listen: z.array(listener(), { error: 'a list of addresses' }).min(1, { error: 'at least one address' }),
  publicUrl: parsed(parsePublicUrl, 'an address such as http://depot.example.com:8080').optional(),
  assets: z.strictObject({
    dir: path('a folder'),
    listing: flag(),
    symlinks: oneOf('inside', 'follow'),
    cache: z.array(
      z.strictObject(
        { glob: path('a pattern such as **/*.aci'), control: headerValue() },
        { error: CACHE_RULE },
      ),
      { error: `a list of ${CACHE_RULE}` },
    ),
  }),
  keys: z.strictObject({ dir: path('a folder') }),
  data: z.strictObject({ dir: path('a folder') }),
  sign: z.strictObject({
    auto: flag(),
    hash: oneOf('sha256', 'sha512'),
    passphraseFile: path('a file').optional(),
  }),
  aci: z.strictObject({
    latest: oneOf('newest', 'none'),
    hosts: z.array(z.string().regex(HOST_NAME, { error: 'a host such as example.com' }), {
      error: 'a list of hosts',
    }),
    cache: size(),
  }),
  convert: z.strictObject({
    auto: z.array(repositoryGlob(), { error: 'a list of patterns' }),
    limits: z.strictObject({
      entries: count(),
      names: count(),
      text: size(),
      size: size(),
      ratio: count(),
      ratioFrom: size(),
    }),
  }),
  registry: z.strictObject({
    write: oneOf('loopback', 'users', 'anyone'),
    users: path('an htpasswd file'),
    rules: z.array(
      z.strictObject(
        { repositories: repositoryGlob(), read: userNames(), push: userNames(), delete: userNames() },
        { error: RULE },
      ),
      { error: `a list of ${RULE}` },
    ),
    delete: flag(),
    immutableTags: z.array(tagGlob(), { error: 'a list of patterns' }),
    allowSparse: flag(),
    memory: size(),
    gc: z.strictObject({
      every: timer(),
      grace: timer(),
      untagged: oneOf('keep', 'remove'),
      uploads: timer(),
    }),
    scrub: z.strictObject({ every: timer(), speed: size() }),
    notifications: z
      .array(notification(), { error: 'a list of receivers' })
      .refine(haveNames, { error: 'receivers with names of their own' }),
    signOnPush: z.array(repositoryGlob(), { error: 'a list of patterns' }),
    signedHosts: z.array(
      parsed(
        (text) => (SIGNED_HOST.test(text) ? text : undefined),
        'a host such as registry.example.com:5000',
      ),
      { error: 'a list of hosts' },
    ),
    signatureExtension: flag(),
    offline: flag(),
    staleTags: parsed(parseDuration, 'a duration such as 24h or 30d'),
    upstreams: upstreams(),
  }),
  tls: z.strictObject({
    cert: path('a PEM file').optional(),
    key: path('a PEM file').optional(),
  }),
  transfers: z.strictObject({ sendfile: flag(), memory: size() }),
  log: z.strictObject({
    level: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    format: oneOf('auto', 'json', 'pretty'),
    requests: flag(),
  }),
  limits: z.strictObject({
    headerSize: size(),
    urlLength: size(),
    headerTime: timer(),
    idleTime: timer(),
    connections: count(),
    drain: timer(),
    freeSpace: size(),
    uploads: count(),
    uploadsPerClient: count(),
  }),
});

/** A checked configuration, ready for use: durations in milliseconds, sizes in bytes. */
export type Config = z.output<typeof CONFIG_SCHEMA>;
