/** Malformed request lines, headers and ranges over bare sockets: no 5xx, no crash, no path of the server. */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { exchange } from './line-client.js';

const ROUNDS = 2_000;
const SEED = 20_161_123;
const AT_ONCE = 16;
const BODY = 'every byte of this file is known: 0123456789\n';

let depot: LiveDepot;

beforeAll(async () => {
  depot = await startLiveDepot({ settings: { 'limits.headerTime': '2s', 'limits.urlLength': '2KiB' } });
  const assets = join(depot.folder, 'assets');
  await mkdir(join(assets, 'folder'));
  await writeFile(join(assets, 'coreos-hyperkube:v1.3.6_coreos.0.aci'), BODY);
  await writeFile(join(assets, 'folder', 'file.txt'), BODY);
  await writeFile(join(depot.folder, 'outside.txt'), 'nobody may read this');
  await symlink(join(depot.folder, 'outside.txt'), join(assets, 'escape'));
});
afterAll(() => depot.remove());

/** A small seeded generator (mulberry32): every failure can be had again. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const METHODS = [
  'GET',
  'GET',
  'GET',
  'GET',
  'HEAD',
  'HEAD',
  'POST',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'get',
  'G\x00T',
  '',
  'GET GET',
  'CONNECT',
  'PRI',
];
const PATHS = [
  '/',
  '/assets',
  '/assets/',
  '/assets/folder',
  '/assets/folder/',
  '/assets/folder/file.txt',
  '/assets/coreos-hyperkube:v1.3.6_coreos.0.aci',
  '/assets/coreos-hyperkube%3Av1.3.6_coreos.0.aci.asc',
  '/assets/escape',
  '/assets/../outside.txt',
  '/assets/%2e%2e/outside.txt',
  '/assets/..%2foutside.txt',
  '/assets/folder/..%5c..%5coutside.txt',
  '/assets/%00',
  '/assets/%',
  '/assets/%c3%28',
  '/assets//folder//file.txt',
  '//assets/folder/file.txt',
  '/assets/./folder/./file.txt',
  '/assets/folder/file.txt/',
  '/assets?x=%',
  '/keys/pubkey.asc',
  '/keys/../data',
  '/keys/%2e%2e%2f',
  '/healthz',
  '/readyz',
  '/metrics',
  '*',
  '',
  'assets/folder/file.txt',
  'http://depot/assets/folder/file.txt',
  'http://[::1/assets/',
  'http://',
  'https://user:pass@depot:99999/',
  '/\\..\\outside.txt',
  '/é',
  '/\xff\xfe',
  '/assets/folder/file.txt#fragment',
  '/assets/folder/file.txt?range=bytes%3D0-',
];
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/1.',
  'http/1.1',
  '',
  'HTTP/1.1 ',
];
const NAMES = [
  'Host',
  'Range',
  'Range',
  'Range',
  'If-Range',
  'If-None-Match',
  'If-Match',
  'If-Modified-Since',
  'If-Unmodified-Since',
  'Accept',
  'Accept-Encoding',
  'Connection',
  'Content-Length',
  'Transfer-Encoding',
  'Expect',
  'Upgrade',
  'X-Request-Id',
  'User-Agent',
  'X',
  '',
  ' Range',
  'Range ',
  'Ra nge',
  'X\x00Y',
  'Ünicode',
];
const GOOD_METHODS = ['GET', 'GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'OPTIONS', 'PROPFIND'];
const GOOD_NAMES = [
  'Range',
  'Range',
  'Range',
  'If-Range',
  'If-None-Match',
  'If-Match',
  'If-Modified-Since',
  'If-Unmodified-Since',
  'Accept',
  'Accept-Encoding',
  'Expect',
  'Upgrade',
  'X-Request-Id',
  'User-Agent',
];
const VALUES = [
  'depot',
  'bytes=0-',
  'bytes=-5',
  'bytes=5-2',
  'bytes=0-0,1-1,-1',
  'bytes=-0',
  'bytes=99999999999999999999-',
  'bytes=0-99999999999999999999',
  `bytes=${'0-0,'.repeat(300)}`,
  'bytes=',
  'bytes',
  'lines=1-2',
  'bytes=a-b',
  'bytes=0x1-2',
  'bytes= 0 - 1 ',
  '*',
  '"',
  '"a", W/"b", ,"c"',
  'W/""',
  'Thu, 01 Jan 1970 00:00:00 GMT',
  'Thu, 99 Foo 99999 99:99:99 GMT',
  '-1',
  '0',
  '18446744073709551616',
  '5, 6',
  'chunked',
  'chunked, gzip, chunked',
  '100-continue',
  'close, keep-alive, upgrade',
  'websocket',
  'application/json;q=2, text/html;q=x, */*;q=',
  '\x01\x02\x7f',
  'é\xff',
  'a'.repeat(9_000),
  'a'.repeat(33_000),
  '%{jndi:ldap://x}',
  "'; DROP TABLE assets;--",
  '<script>',
  '',
];
const ENDS = ['\r\n', '\r\n', '\r\n', '\n', '\r', '\r\n ', ''];

/** One request in two keeps to the grammar, so that it gets past the parser and its content is what is odd. */
function makeRequest(random: () => number): string {
  const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] ?? '';
  const wellFormed = random() < 0.5;
  const end = () => (wellFormed ? '\r\n' : pick(ENDS));
  const names = wellFormed ? GOOD_NAMES : NAMES;
  const first = wellFormed
    ? `${pick(GOOD_METHODS)} ${pick(PATHS.filter(isTarget))} HTTP/1.1`
    : `${pick(METHODS)} ${pick(PATHS)} ${pick(VERSIONS)}`;
  const lines = [first + end()];
  if (wellFormed || random() < 0.8) lines.push('Host: depot\r\n');
  for (let count = Math.floor(random() * 4); count > 0; count -= 1) {
    const name = pick(names);
    const values = VALUES.filter((value) => !wellFormed || isFieldValue(value));
    const fitting = values.filter((value) => name === 'Range' && /^bytes/.test(value));
    lines.push(`${name}: ${pick(fitting.length > 0 ? fitting : values)}${end()}`);
  }
  const whole = `${lines.join('')}\r\n`;
  if (wellFormed) return whole;
  const broken = random() < 0.3 ? flipByte(whole, random) : whole;
  return random() < 0.1 ? broken.slice(0, Math.floor(random() * broken.length)) : broken;
}

function isTarget(path: string): boolean {
  return /^[/h*]/.test(path);
}

function isFieldValue(value: string): boolean {
  return value.length < 10_000 && /^[\x20-\x7e\x80-\xff]*$/.test(value);
}

function flipByte(text: string, random: () => number): string {
  const at = Math.floor(random() * text.length);
  return text.slice(0, at) + String.fromCharCode(Math.floor(random() * 256)) + text.slice(at + 1);
}

/** Ends what is still open: a connection that the fuzz left in the middle of a request. */
const LAST = 'GET /healthz HTTP/1.1\r\nHost: depot\r\nConnection: close\r\n\r\n';

test(`${ROUNDS} malformed requests lead to no 5xx, no crash and no leak of a path`, async () => {
  const random = createRandom(SEED);
  const requests = Array.from({ length: ROUNDS }, () => makeRequest(random));
  const statuses = new Map<string, number>();
  const secrets = [
    depot.folder,
    resolve('.'),
    'outside.txt',
    'nobody may read this',
    'node_modules',
    '    at ',
  ];
  const bad: { request: string; answer: string }[] = [];
  const worker = async () => {
    for (let request = requests.pop(); request !== undefined; request = requests.pop()) {
      const answer = await exchange(depot.port, request + LAST);
      for (const [, status = ''] of answer.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      const leaks = secrets.some((secret) => answer.includes(secret) && !request.includes(secret));
      if (/HTTP\/1\.1 [15]\d\d /.test(answer) || leaks) bad.push({ request, answer: answer.slice(0, 2_000) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  process.stderr.write(`fuzz statuses: ${JSON.stringify(Object.fromEntries([...statuses].sort()))}\n`);
  expect(bad).toEqual([]);
  expect([...statuses.keys()]).toEqual(
    expect.arrayContaining(['200', '206', '301', '400', '404', '405', '416', '431']),
  );
  expect(depot.log().filter(({ level }) => level === 'error')).toEqual([]);
  expect((await fetch(`${depot.urls[0]}/healthz`)).status).toBe(200);
}, 120_000);
