/** Who is shown what: credentials, redirects, proxies, certificates. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { describeWith } from '../../clients/programs.js';
import { type LiveDepot, type LiveDepotOptions, startLiveDepot } from '../../fixtures/live-depot.js';
import { digestOf, imageOf, RegistryClient } from '../../fixtures/registry-client.js';
import { startUpstream, type UpstreamRegistry } from '../../fixtures/upstream-registry.js';

const image = imageOf(['a layer']);
const layer = digestOf('a layer');

let folder: string;
let upstream: UpstreamRegistry;
let other: UpstreamRegistry;
let depots: LiveDepot[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-upstream-'));
  await writeFile(join(folder, 'password'), 'geheim\n');
  await writeFile(join(folder, 'token'), 'long-lived\n');
  upstream = await startUpstream();
  upstream.put('a', 'v1', image);
  other = await startUpstream();
  depots = [];
});
afterEach(async () => {
  await upstream.stop();
  await other.stop();
  for (const depot of depots) await depot.remove();
  await rm(folder, { recursive: true });
});

async function start(
  config: Record<string, unknown> = {},
  options: LiveDepotOptions = {},
): Promise<RegistryClient> {
  const depot = await startLiveDepot({
    settings: { 'registry.upstreams': { 'quay.io': { url: upstream.url, ...config } } },
    upstreamTiming: { backoff: 5, freshTag: 0 },
    ...options,
  });
  depots.push(depot);
  return new RegistryClient(`http://127.0.0.1:${depot.port}`);
}

const user = () => ({ username: 'anna', passwordFile: join(folder, 'password') });
const BASIC = `Basic ${Buffer.from('anna:geheim').toString('base64')}`;

async function statusOf(client: RegistryClient, what = 'manifests/v1'): Promise<number> {
  const answer = await client.get(`quay.io/a/${what}`, { Authorization: 'Basic Y2xpZW50OnNlY3JldA==' });
  await answer.arrayBuffer();
  return answer.status;
}

/** Every `Authorization` that an upstream was shown. */
function shown({ requests }: UpstreamRegistry): (string | undefined)[] {
  return requests.map(({ headers }) => headers.authorization);
}

/** Makes the upstream want a token that `tokens` gives out. */
function wantToken(tokens: UpstreamRegistry, life?: number): void {
  let given = 0;
  const good = () => `Bearer token-${given}`;
  upstream.script = (req, res, serve) => {
    if (req.headers.authorization === good()) return serve();
    const realm = `Bearer realm="${tokens.url}/token",service="the, \\"registry\\"",scope="repository:a:pull"`;
    res.writeHead(401, { 'WWW-Authenticate': `Negotiate, ${realm}, Basic realm="x"` }).end();
  };
  tokens.script = (_req, res) => {
    given += 1;
    res.end(JSON.stringify({ token: `token-${given}`, ...(life !== undefined && { expires_in: life }) }));
  };
}

describe('credentials', () => {
  test('the client’s own are never passed on', async () => {
    expect(await statusOf(await start())).toBe(200);
    expect(shown(upstream)).toEqual([undefined]);
  });

  test('go to an upstream that asks for Basic, and from then on unasked', async () => {
    upstream.script = (req, res, serve) => {
      if (req.headers.authorization === BASIC) serve();
      else res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="registry"' }).end();
    };
    const client = await start(user());
    expect([await statusOf(client), await statusOf(client)]).toEqual([200, 200]);
    expect(shown(upstream)).toEqual([undefined, BASIC, BASIC]);
  });

  test('buy a token for one repository, which is used until it is over', async () => {
    wantToken(other, 300);
    const client = await start(user());
    const all = [await statusOf(client), await statusOf(client), await statusOf(client, `blobs/${layer}`)];
    expect(all).toEqual([200, 200, 200]);
    expect(shown(upstream)).toEqual([undefined, 'Bearer token-1', 'Bearer token-1', 'Bearer token-1']);
    expect(shown(other)).toEqual([BASIC]);
    const asked = new URL(other.requests[0]?.url ?? '', other.url);
    expect(Object.fromEntries(asked.searchParams)).toEqual({
      service: 'the, "registry"',
      scope: 'repository:a:pull',
    });
  });

  test('are not needed for a token', async () => {
    wantToken(other);
    expect(await statusOf(await start())).toBe(200);
    expect(shown(other)).toEqual([undefined]);
  });

  test('a token that is refused, or over, is bought again', async () => {
    wantToken(other, 0.02);
    const client = await start(user());
    expect(await statusOf(client)).toBe(200);
    await new Promise((wake) => setTimeout(wake, 50));
    expect(await statusOf(client)).toBe(200);
    expect(other.requests).toHaveLength(2);
    wantToken(other, 300);
    expect(await statusOf(client)).toBe(200);
    expect(other.requests).toHaveLength(3);
  });

  test('may be a token from a file', async () => {
    upstream.script = (req, res, serve) => {
      if (req.headers.authorization === 'Bearer long-lived') serve();
      else res.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="http://127.0.0.1:1/"' }).end();
    };
    expect(await statusOf(await start({ tokenFile: join(folder, 'token') }))).toBe(200);
  });

  test('are not for mirrors', async () => {
    other.script = (_req, res) => void res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="m"' }).end();
    expect(await statusOf(await start({ ...user(), mirrors: [other.url] }))).toBe(200);
    expect(shown(other)).toEqual([undefined]);
  });

  test.each([
    ['cannot be read', { username: 'anna', passwordFile: '/nowhere/password' }],
    ['are refused', { username: 'anna', passwordFile: undefined }],
  ])('that %s are named without being told', async (_, config) => {
    upstream.script = (_req, res) => void res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }).end();
    const given = config.passwordFile === undefined ? user() : config;
    const answer = await (await start(given)).get('quay.io/a/manifests/v1');
    const text = await answer.text();
    expect([answer.status, text]).toEqual([502, expect.stringContaining('credentials')]);
    expect(text).not.toMatch(/geheim|nowhere|password/);
  });
});

describe('redirects', () => {
  function redirectBlobs(to: (path: string) => string): void {
    upstream.script = (req, res, serve) => {
      if (req.headers.authorization !== BASIC) {
        res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }).end();
      } else if (req.url?.includes('/blobs/')) res.writeHead(307, { Location: to(req.url) }).end();
      else serve();
    };
  }

  test('lead to another host, which is not shown our credentials', async () => {
    other.putBlob('elsewhere', Buffer.from('a layer'));
    redirectBlobs(() => `${other.url}/v2/elsewhere/blobs/${layer}`);
    expect(await statusOf(await start(user()), `blobs/${layer}`)).toBe(200);
    expect(shown(other)).toEqual([undefined]);
  });

  test('to another host that asks for credentials end there', async () => {
    other.script = (_req, res) => void res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }).end();
    redirectBlobs(() => `${other.url}/here`);
    expect(await statusOf(await start(user()), `blobs/${layer}`)).toBe(502);
    expect(shown(other)).toEqual([undefined]);
  });

  test('back to the upstream do not bring the credentials back', async () => {
    redirectBlobs((path) => `${other.url}${path}`);
    other.script = (req, res) => void res.writeHead(302, { Location: `${upstream.url}${req.url}` }).end();
    expect(await statusOf(await start(user()), `blobs/${layer}`)).toBe(502);
    expect(shown(upstream)).toEqual([undefined, BASIC, undefined]);
  });

  test('to the same host keep them', async () => {
    redirectBlobs((path) => path.replace('/blobs/', '/moved/'));
    upstream.script = ((before) => (req, res, serve) => {
      if (!req.url?.includes('/moved/')) return before?.(req, res, serve);
      res.end(req.headers.authorization === BASIC ? 'a layer' : 'nobody');
    })(upstream.script);
    expect(await statusOf(await start(user()), `blobs/${layer}`)).toBe(200);
  });

  test.each([
    ['in a loop', (path: string) => path],
    ['to a file', () => 'file:///etc/passwd'],
    ['to nowhere', () => 'http://'],
  ])('%s end', async (_, to) => {
    redirectBlobs(to);
    const client = await start(user());
    expect(await statusOf(client, `blobs/${layer}`)).toBe(502);
    expect(upstream.requests.length).toBeLessThan(9);
  });
});

describe('a proxy of the environment', () => {
  let proxy: Server;
  let asked: string[];
  let port: number;
  beforeEach(async () => {
    asked = [];
    proxy = createServer((req, res) => {
      asked.push(`${req.method} ${req.url}`);
      const forward = request(
        req.url ?? '',
        { method: req.method ?? 'GET', headers: req.headers },
        (answer) => {
          res.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(res);
        },
      );
      forward.on('error', () => res.destroy()).end();
    });
    proxy.on('connect', (req, socket) => {
      asked.push(`CONNECT ${req.url}`);
      const target = connect(Number(req.url?.split(':')[1]), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        target.pipe(socket).pipe(target);
      });
      target.on('error', () => socket.destroy());
      socket.on('error', () => target.destroy());
    });
    await new Promise<void>((ready) => proxy.listen(0, '127.0.0.1', ready));
    const address = proxy.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  });
  afterEach(() => {
    proxy.closeAllConnections();
    proxy.close();
  });

  test('is asked in the upstream’s place', async () => {
    const client = await start({}, { env: { HTTP_PROXY: `http://127.0.0.1:${port}` } });
    expect([await statusOf(client), await statusOf(client, `blobs/${layer}`)]).toEqual([200, 200]);
    expect(asked).toEqual([
      `GET ${upstream.url}/v2/a/manifests/v1`,
      `GET ${upstream.url}/v2/a/blobs/${layer}`,
    ]);
  });

  test('is not asked for what NO_PROXY names', async () => {
    const env = { HTTP_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: '127.0.0.1' };
    expect(await statusOf(await start({}, { env }))).toBe(200);
    expect(asked).toEqual([]);
  });
});

describeWith(['openssl'], 'TLS', () => {
  let secure: UpstreamRegistry;
  beforeEach(async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'ca.crt')];
    const subject = ['-subj', '/CN=upstream', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    const out = ['-keyout', key, '-out', cert];
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      ...subject,
      ...out,
    ]);
    secure = await startUpstream({ key: await readFile(key), cert: await readFile(cert) });
    secure.put('a', 'v1', image);
  });
  afterEach(() => secure.stop());

  test('an upstream with a certificate of its own is trusted by its caFile', async () => {
    expect(await statusOf(await start({ url: secure.url, caFile: join(folder, 'ca.crt') }))).toBe(200);
  });

  test('and not without it', async () => {
    const answer = await (await start({ url: secure.url })).get('quay.io/a/manifests/v1');
    expect([answer.status, await answer.text()]).toEqual([502, expect.stringContaining('SELF_SIGNED')]);
    expect(secure.requests).toEqual([]);
  });

  test('a token server without TLS does not get the password of an upstream with it', async () => {
    secure.script = (_req, res) =>
      void res.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${other.url}/token"` }).end();
    const config = { url: secure.url, caFile: join(folder, 'ca.crt'), ...user() };
    expect(await statusOf(await start(config))).toBe(502);
    expect(other.connections).toBe(0);
  });

  test('a tag is not followed from https to http, but a blob is, without credentials', async () => {
    other.putBlob('a', Buffer.from('a layer'));
    other.put('a', 'v1', image);
    secure.script = (req, res) => void res.writeHead(302, { Location: `${other.url}${req.url}` }).end();
    const client = await start({ url: secure.url, caFile: join(folder, 'ca.crt') });
    expect(await statusOf(client)).toBe(502);
    expect(await statusOf(client, `blobs/${layer}`)).toBe(200);
    expect(shown(other)).toEqual([undefined]);
  });
});
