import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { describeWith } from '../clients/programs.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { exchange } from './line-client.js';

const run = promisify(execFile);

describeWith(['openssl'], 'TLS listeners', () => {
  let folder: string;
  let cert: string;
  let key: string;
  let depot: LiveDepot | undefined;

  /** A self-signed pair under `folder/<name>.crt` and `.key`. */
  async function makePair(name: string): Promise<void> {
    const out = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)];
    const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, ...out]);
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bootdepot-tls-'));
    cert = join(folder, 'server.crt');
    key = join(folder, 'server.key');
    await Promise.all([makePair('one'), makePair('two')]);
  });
  afterEach(async () => {
    await depot?.remove();
    depot = undefined;
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function usePair(name: string): Promise<void> {
    for (const [from, to] of [
      [`${name}.crt`, cert],
      [`${name}.key`, key],
    ] as const) {
      await copyFile(join(folder, from), `${to}.new`);
      await rename(`${to}.new`, to);
    }
  }

  async function start(settings: Record<string, unknown> = {}): Promise<LiveDepot> {
    depot = await startLiveDepot({
      settings: { listen: ['https://127.0.0.1:0'], 'tls.cert': cert, 'tls.key': key, ...settings },
      lookEveryMs: 50,
    });
    return depot;
  }

  test('a file arrives over TLS as it is, and plain listeners stand beside', async () => {
    await usePair('one');
    const { folder: root, port, urls } = await start({ listen: ['https://127.0.0.1:0', '127.0.0.1:0'] });
    const bytes = Buffer.alloc(3_000_000, 'depot');
    await writeFile(join(root, 'assets', 'a.bin'), bytes);
    expect((await fetchOver(port, '/assets/a.bin')).equals(bytes)).toBe(true);
    expect((await fetch(`${urls[1]}/healthz`)).status).toBe(200);
  });

  test('the home page speaks of https', async () => {
    await usePair('one');
    const { port } = await start();
    expect((await fetchOver(port, '/')).toString()).toContain(`https://127.0.0.1:${port}/keys/pubkey.asc`);
  });

  test('a new pair is served without a restart, and connections that are open go on', async () => {
    await usePair('one');
    const { port } = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
    await fetchOver(port, '/healthz', agent);
    expect(await nameOn(port)).toBe('one');
    await usePair('two');
    while ((await nameOn(port)) !== 'two') await pause(20);
    expect((await fetchOver(port, '/healthz', agent)).toString()).toBe('ok\n');
    agent.destroy();
  });

  test('a pair that does not fit is reported, and the old one stays', async () => {
    await usePair('one');
    const running = await start();
    await copyFile(join(folder, 'two.key'), key);
    while (!running.log().some(({ msg }) => String(msg).includes('the old one stays'))) await pause(20);
    expect(await nameOn(running.port)).toBe('one');
  });

  test.each([
    ['the key of another certificate', 'one.crt', 'two.key'],
    ['no PEM', 'one.crt', 'one.crt'],
  ])('%s is refused at the start', async (_what, certFrom, keyFrom) => {
    await copyFile(join(folder, certFrom), cert);
    await copyFile(join(folder, keyFrom), key);
    await expect(start()).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
  });

  test('a file that is not there is named', async () => {
    await expect(start({ 'tls.key': join(folder, 'missing.key') })).rejects.toThrow(
      'missing.key does not exist',
    );
  });

  test('plain HTTP on a TLS listener is turned away and the server goes on', async () => {
    await usePair('one');
    const { port } = await start();
    expect(await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).not.toContain('HTTP/1.1 200');
    expect((await fetchOver(port, '/healthz')).toString()).toBe('ok\n');
  });

  test('stopping closes idle TLS connections, and those that are still shaking hands', async () => {
    await usePair('one');
    const running = await start();
    const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
    await fetchOver(running.port, '/healthz', agent);
    const silent = exchange(running.port, '');
    await pause(50);
    expect(await running.stop()).toBe(0);
    await silent;
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}

function fetchOver(port: number, path: string, agent?: Agent): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, rejectUnauthorized: false, ...(agent && { agent }) };
    get(options, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => resolve(Buffer.concat(chunks)));
      res.on('error', reject);
    }).on('error', reject);
  });
}

/** The common name of the certificate that a new connection is shown. */
function nameOn(port: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
