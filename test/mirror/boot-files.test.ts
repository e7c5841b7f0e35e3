/** Boot files by their addresses: right before they can be seen, with their signatures beside them. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type MirroredFile, mirrorFiles, type SigningKey, signHashed } from '../../server/index.js';
import { parseBootList } from '../../server/mirror/boot-list.js';
import { loadTestKey } from '../fixtures/test-key.js';
import { startUpstream, type UpstreamRegistry } from '../fixtures/upstream-registry.js';

const kernel = Buffer.alloc(400_000, 'kernel');
const sha256 = createHash('sha256').update(kernel).digest('hex');
const sha512 = createHash('sha512').update(kernel).digest('hex');

describe('a list', () => {
  const read = (text: string) => parseBootList(text, '/lists/boot.yaml');
  const url = 'https://example.com/a/vmlinuz';

  test('names addresses, places and proofs; keys are found from its folder', () => {
    const text = `
key: flatcar.asc
files:
  - { url: ${url}, sha256: ${sha256} }
  - { url: ${url}, to: boot/, sha512: ${sha512} }
  - { url: ${url}, to: boot/kernel }
`;
    expect(read(text)).toEqual([
      { url: new URL(url), path: 'vmlinuz', digest: `sha256:${sha256}`, signature: undefined },
      { url: new URL(url), path: 'boot/vmlinuz', digest: `sha512:${sha512}`, signature: undefined },
      {
        url: new URL(url),
        path: 'boot/kernel',
        digest: undefined,
        signature: { url: new URL(`${url}.sig`), keyring: '/lists/flatcar.asc' },
      },
    ]);
  });

  test.each([
    [`- { url: ${url} }`, /file 1: expected sha256, sha512, or the key that signed it/],
    [`- { url: ${url}, signature: ${url}.asc }`, /file 1: a signature needs a key/],
    [`- { url: ${url}, sha256: 12 }`, /sha256/],
    [`- { url: ${url}, sha256: ${sha256}, to: ../etc/passwd }`, /expected a path below the assets/],
    [`- { url: ${url}, sha256: ${sha256}, to: .hidden }`, /expected a path below the assets/],
    [`- { url: "https://me:secret@example.com/a", sha256: ${sha256} }`, /without a name or password/],
    [`- { url: "file:///etc/passwd", sha256: ${sha256} }`, /http or https/],
    [
      `- { url: ${url}, sha256: ${sha256} }\n- { url: ${url}, sha512: ${sha512} }`,
      /two files would be vmlinuz/,
    ],
    ['- { url: [', /boot.yaml: /],
  ])('%s is refused', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});

describe('files', () => {
  let key: SigningKey;
  let signature: Buffer;
  let folder: string;
  let server: UpstreamRegistry;
  let files: Map<string, Buffer>;
  beforeAll(async () => {
    key = await loadTestKey();
    signature = await signatureOf(kernel);
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bootdepot-files-'));
    writeFileSync(join(folder, 'key.asc'), key.certificate.armored);
    files = new Map([
      ['/vmlinuz', kernel],
      ['/vmlinuz.sig', signature],
    ]);
    server = await startUpstream();
    server.script = (req, res) => {
      const found = files.get(req.url ?? '');
      const start = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0);
      if (found === undefined) return res.writeHead(404).end();
      if (start >= found.length) return res.writeHead(416).end();
      const range = { 'Content-Range': `bytes ${start}-${found.length - 1}/${found.length}` };
      res.writeHead(start > 0 ? 206 : 200, {
        'Content-Length': found.length - start,
        ...(start > 0 && range),
      });
      res.end(found.subarray(start));
    };
  });
  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function signatureOf(bytes: Buffer): Promise<Buffer> {
    const hash = createHash('sha512').update(bytes);
    return Buffer.from(await signHashed(key, hash, 'sha512', new Date()));
  }

  async function fetchAll(...entries: string[]): Promise<MirroredFile[]> {
    const text = entries.map((entry) => `- { url: "${server.url}/vmlinuz", ${entry} }`).join('\n');
    return mirrorFiles({
      lists: [{ name: join(folder, 'boot.yaml'), text }],
      folder: join(folder, 'assets'),
      dryRun: false,
      env: {},
      signal: new AbortController().signal,
      watch: {
        planned: () => undefined,
        begin: () => ({ missing: () => undefined, advance: () => undefined }),
        ended: () => undefined,
      },
      timing: { backoff: 5 },
    });
  }
  const asset = (name: string) => join(folder, 'assets', name);
  const words = (results: MirroredFile[]) => results.map(({ done, error }) => done?.status ?? error?.message);

  test('come by their checksum, and are not asked for again', async () => {
    const entry = `to: boot/vmlinuz, sha256: ${sha256}`;
    expect(words(await fetchAll(entry))).toEqual(['new']);
    expect(readFileSync(asset('boot/vmlinuz'))).toEqual(kernel);
    expect(readdirSync(asset('boot'))).toEqual(['vmlinuz']);
    const before = server.requests.length;
    expect(words(await fetchAll(entry))).toEqual(['unchanged']);
    expect(server.requests).toHaveLength(before);
  });

  test('come by their signature, which is kept, and again when it is another', async () => {
    expect(words(await fetchAll('key: key.asc'))).toEqual(['new']);
    expect(readFileSync(asset('vmlinuz.sig'))).toEqual(signature);
    expect(words(await fetchAll('key: key.asc'))).toEqual(['unchanged']);
    const next = Buffer.alloc(1000, 'next');
    files.set('/vmlinuz', next).set('/vmlinuz.sig', await signatureOf(next));
    expect(words(await fetchAll('key: key.asc'))).toEqual(['new']);
    expect(readFileSync(asset('vmlinuz'))).toEqual(next);
  });

  test('that are not what they should be leave what was there before', async () => {
    await fetchAll('key: key.asc');
    files.set('/vmlinuz', Buffer.from('something else'));
    files.set('/vmlinuz.sig', await signatureOf(Buffer.from('what the vendor made')));
    const [byKey, byDigest, missing] = words(
      await fetchAll('key: key.asc', `to: other, sha512: ${'0'.repeat(128)}`, `to: none, sha256: ${sha256}`),
    );
    expect(byKey).toMatch(/the signature http.*vmlinuz.sig is bad/);
    expect([byDigest, missing].join()).toMatch(/is not the file with the digest sha512:0.*digest sha256/);
    expect(readFileSync(asset('vmlinuz'))).toEqual(kernel);
    expect(readdirSync(asset('')).sort()).toEqual(['vmlinuz', 'vmlinuz.sig']);
  });

  test.each([['sha256'], ['key']])('that were cut are gone on with, by %s', async (proof) => {
    const entry = proof === 'key' ? 'key: key.asc' : `sha256: ${sha256}`;
    const serve = server.script;
    server.script = (req, res, next) => {
      if (req.url !== '/vmlinuz') return serve?.(req, res, next);
      if (req.headers.range !== undefined) return res.writeHead(503).end();
      res.writeHead(200, { 'Content-Length': kernel.length });
      res.write(kernel.subarray(0, 150_000), () => res.destroy());
    };
    expect(words(await fetchAll(entry))).toEqual([expect.stringMatching(/answers 503/)]);
    expect(existsSync(asset('vmlinuz'))).toBe(false);
    server.script = serve;
    expect(words(await fetchAll(entry))).toEqual(['new']);
    expect(server.requests.at(-1)?.headers.range).toBe('bytes=150000-');
    expect(readFileSync(asset('vmlinuz'))).toEqual(kernel);
  });

  test('that were cut, and are others by now, come anew', async () => {
    const serve = server.script;
    server.script = (req, res, next) => {
      if (req.url !== '/vmlinuz') return serve?.(req, res, next);
      if (req.headers.range !== undefined) return res.writeHead(503).end();
      res.writeHead(200, { 'Content-Length': kernel.length });
      res.write(kernel.subarray(0, 150_000), () => res.destroy());
    };
    await fetchAll('key: key.asc');
    server.script = serve;
    const next = Buffer.alloc(100_000, 'shorter');
    files.set('/vmlinuz', next).set('/vmlinuz.sig', await signatureOf(next));
    expect(words(await fetchAll('key: key.asc'))).toEqual(['new']);
    expect(readFileSync(asset('vmlinuz'))).toEqual(next);
  });
});
