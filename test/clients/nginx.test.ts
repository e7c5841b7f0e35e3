/**
 * The same folder behind nginx and behind bootdepot: 200 generated requests, the same statuses and bodies. Where the
 * two differ on purpose the reason stands in `DIFFERENCES`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort, type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { describeWith } from './programs.js';

const REQUESTS = 200;
const MODIFIED = new Date('2024-05-06T07:08:09Z');
const FILES = [
  'coreos-hyperkube:v1.3.6_coreos.0.aci',
  'vmlinuz',
  'empty.bin',
  'a+b@c~d.img',
  'with space.txt',
  'nested/deeper/größe.json',
  'page.html',
];
const OTHER_PATHS = [
  '/missing',
  '/missing.aci.asc',
  '/nested',
  '/vmlinuz/',
  '/vmlinuz/x',
  '/nested/../vmlinuz',
  '/nested/%2e%2e/vmlinuz',
  '//vmlinuz',
  '/./vmlinuz',
  '/nested%2Fdeeper%2F..%2F..%2Fvmlinuz',
  '/%zz',
  '/a%00b',
  '/.hidden',
  '/../nginx.conf',
  '/%2e%2e/nginx.conf',
  '/vmlinuz?version=1',
  `/${'n'.repeat(300)}`,
];

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A difference that is meant: which requests it concerns, what each answers, and why. */
interface Difference {
  readonly why: string;
  readonly concerns: (asked: Asked) => boolean;
  readonly nginx: readonly number[];
  readonly bootdepot: number;
}

const DIFFERENCES: readonly Difference[] = [
  {
    why: 'a range means nothing on HEAD (RFC 9110, 14.2)',
    concerns: ({ method, headers }) => method === 'HEAD' && headers.Range !== undefined,
    nginx: [206, 416],
    bootdepot: 200,
  },
  {
    why: 'a Range that is no range is ignored (RFC 9110, 14.2); nginx calls it unsatisfiable',
    concerns: ({ headers }) => headers.Range === 'bytes=x',
    nginx: [416],
    bootdepot: 200,
  },
  {
    why: 'dot files are not there',
    concerns: ({ path }) => path === '/.hidden',
    nginx: [200, 206, 304, 412, 416],
    bootdepot: 404,
  },
  {
    why: 'what lies above the root is not there; nginx calls the request malformed',
    concerns: ({ path }) => path.startsWith('/..') || path.startsWith('/%2e%2e'),
    nginx: [400],
    bootdepot: 404,
  },
  {
    why: 'a method that is never allowed is refused before the path is looked at',
    concerns: ({ method }) => method === 'POST',
    nginx: [400, 404],
    bootdepot: 405,
  },
];

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function requestHeaders(below: (limit: number) => number, etag: string): Record<string, string> {
  const day = 86_400_000;
  const dates = [MODIFIED.getTime() - day, MODIFIED.getTime(), MODIFIED.getTime() + day].map((time) =>
    new Date(time).toUTCString(),
  );
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const ranges = [
    'bytes=0-99',
    'bytes=10-',
    'bytes=-7',
    'bytes=999999-',
    'bytes=0-0',
    'lines=1-2',
    'bytes=x',
    'bytes=0-9,20-29',
  ];
  const choices: (() => Record<string, string>)[] = [
    () => ({}),
    () => ({ Range: pick(ranges) }),
    () => ({ 'If-None-Match': pick([etag, '"other"', '*', `"other", ${etag}`]) }),
    () => ({ 'If-Match': pick([etag, '"other"', '*', `W/${etag}`]) }),
    () => ({ 'If-Modified-Since': pick(dates) }),
    () => ({ 'If-Unmodified-Since': pick(dates) }),
    () => ({ Range: pick(ranges), 'If-Range': pick([etag, '"other"', ...dates]) }),
    () => ({ 'Accept-Encoding': 'gzip' }),
  ];
  return pick(choices)();
}

function ask(port: number, prefix: string, asked: Asked): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const { method, headers } = asked;
    const options = {
      host: '127.0.0.1',
      port,
      method,
      headers,
      path: `${prefix}${asked.path}`,
      agent: false,
    };
    request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    })
      .on('error', reject)
      .end();
  });
}

/** The parts of a `multipart/byteranges` answer without its boundary and part types, which are each server's own. */
function comparableBody({ status, headers, body }: Answered): string {
  if (status !== 200 && status !== 206) return '';
  const boundary = /boundary=(\S+)/.exec(headers['content-type'] ?? '')?.[1];
  if (boundary === undefined) return createHash('sha256').update(body).digest('hex');
  const parts = body.toString('latin1').split(`--${boundary}`);
  return parts.map((part) => part.replace(/^Content-Type:.*\r\n/im, '').trim()).join('|');
}

function nginxConfig(port: number, folder: string): string {
  return `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events {}
http {
  access_log off; default_type application/octet-stream; if_modified_since before; absolute_redirect off;
  client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2; fastcgi_temp_path ${folder}/t3;
  uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5;
  server { listen 127.0.0.1:${port}; root ${folder}/assets; }
}
`;
}

async function until(port: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    if (await ask(port, '', { method: 'GET', path: '/vmlinuz', headers: {} }).catch(() => undefined)) return;
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error('nginx did not answer');
}

describeWith(['nginx'], 'the same folder behind nginx', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bootdepot-nginx-'));
  let nginx: ChildProcess;
  let nginxPort: number;
  let depot: RunningDepot;

  beforeAll(async () => {
    mkdirSync(join(folder, 'assets/nested/deeper'), { recursive: true });
    for (const name of [...FILES, '.hidden']) {
      const path = join(folder, 'assets', name);
      writeFileSync(path, name === 'empty.bin' ? '' : name.repeat(60));
      utimesSync(path, MODIFIED, MODIFIED);
    }
    nginxPort = await freePort();
    writeFileSync(join(folder, 'nginx.conf'), nginxConfig(nginxPort, folder));
    nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
    await until(nginxPort);
    depot = await startDepot(['--assets', join(folder, 'assets'), '--keys', join(folder, 'keys')]);
  });

  afterAll(async () => {
    nginx?.kill('SIGTERM');
    await depot?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test(`${REQUESTS} generated requests are answered alike, but for the listed differences`, async () => {
    const below = seeded(20_240_506);
    const seen = { statuses: new Set<number>(), differences: new Set<string>() };
    for (let index = 0; index < REQUESTS; index += 1) {
      const file = FILES[below(FILES.length)] ?? '';
      const filePath = `/${file.split('/').map(encodeURIComponent).join('/')}`;
      const path = below(4) === 0 ? (OTHER_PATHS[below(OTHER_PATHS.length)] ?? '') : filePath;
      const method = ['GET', 'GET', 'GET', 'HEAD', 'POST'][below(5)] ?? 'GET';
      const seed = below(1_000_000);
      const base = { method, path, headers: {} };
      const plain = { method: 'HEAD', path: filePath, headers: {} };
      const tagOf = async (port: number, prefix: string): Promise<string> =>
        (await ask(port, prefix, plain)).headers.etag ?? '"none"';
      const asked = {
        nginx: { ...base, headers: requestHeaders(seeded(seed), await tagOf(nginxPort, '')) },
        depot: { ...base, headers: requestHeaders(seeded(seed), await tagOf(depot.port, '/assets')) },
      };
      const expected = await ask(nginxPort, '', asked.nginx);
      const actual = await ask(depot.port, '/assets', asked.depot);
      const known = DIFFERENCES.find(
        (difference) =>
          difference.concerns(asked.depot) &&
          difference.nginx.includes(expected.status) &&
          difference.bootdepot === actual.status,
      );
      seen.statuses.add(actual.status);
      if (known !== undefined) {
        seen.differences.add(known.why);
        continue;
      }
      const view = (answer: Answered): unknown => ({
        request: { ...asked.depot, headers: Object.keys(asked.depot.headers) },
        status: answer.status,
        body: comparableBody(answer),
        range: answer.headers['content-range'],
        modified: answer.headers['last-modified'],
      });
      expect(view(actual)).toEqual(view(expected));
    }
    expect([...seen.statuses].sort()).toEqual([200, 206, 301, 304, 400, 404, 405, 412, 416]);
    expect(seen.differences).toEqual(new Set(DIFFERENCES.map(({ why }) => why)));
  }, 60_000);
});
