/** Blobs from upstreams that are slow, break, lie, or are asked by everybody at once; `COLD_CLIENTS` says how many that is. */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type LiveDepot, type LiveDepotOptions, startLiveDepot } from '../../fixtures/live-depot.js';
import { digestOf, RegistryClient } from '../../fixtures/registry-client.js';
import { type Script, startUpstream, type UpstreamRegistry } from '../../fixtures/upstream-registry.js';

const MANY = Number(process.env.COLD_CLIENTS ?? 100);
const bytes = randomBytes(1_000_000);
const digest = digestOf(bytes);
const path = `quay.io/a/blobs/${digest}`;

let upstream: UpstreamRegistry;
let depot: LiveDepot;
let client: RegistryClient;
beforeEach(async () => {
  upstream = await startUpstream();
  upstream.putBlob('a', bytes);
  await start({});
});
afterEach(async () => {
  await upstream.stop();
  await depot.remove();
});

async function start(timing: LiveDepotOptions['upstreamTiming']): Promise<void> {
  depot = await startLiveDepot({
    settings: { 'registry.upstreams': { 'quay.io': { url: upstream.url } } },
    upstreamTiming: { backoff: 5, patience: 1_500, ...timing },
  });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
}

/** The same with other patience. */
async function restart(timing: LiveDepotOptions['upstreamTiming']): Promise<void> {
  await depot.remove();
  await start(timing);
}

/** The status, and the digest of what came; `'cut'` if it did not come whole. */
async function get(what = path): Promise<[status: number | 'none', digest: string]> {
  const answer = await client.get(what).catch(() => undefined);
  const body = await answer?.arrayBuffer().catch(() => undefined);
  return [answer?.status ?? 'none', body === undefined ? 'cut' : digestOf(Buffer.from(body))];
}

/** The status, code and message of an error. */
async function errorOf(what = path): Promise<[status: number, code: string, message: string]> {
  const answer = await client.get(what);
  const { errors } = JSON.parse(await answer.text());
  return [answer.status, errors[0].code, errors[0].message];
}

async function codeOf(what = path): Promise<[status: number, code: string]> {
  const [status, code] = await errorOf(what);
  return [status, code];
}

/** Nothing of what came is in its place or on its way. */
async function expectNothingKept(): Promise<void> {
  const root = join(depot.folder, 'data/registry');
  expect(await readdir(join(root, 'docker/registry/v2/blobs/sha256')).catch(() => [])).toEqual([]);
  expect(await readdir(join(root, '.bootdepot/stage')).catch(() => [])).toEqual([]);
}

/** Sends the head of an answer, and of the body what is told. */
function begin(res: ServerResponse, body: Buffer, length = bytes.length): void {
  res.writeHead(200, { 'Content-Length': length });
  res.write(body);
}

describe('many who want one blob', () => {
  test('get it from one request, the first bytes before the last have come', async () => {
    let letGo = (): void => undefined;
    upstream.script = (req, res, serve) => {
      if (req.method !== 'GET') return serve();
      begin(res, bytes.subarray(0, 500_000));
      letGo = () => void res.end(bytes.subarray(500_000));
    };
    const clients = Array.from({ length: MANY }, async () => {
      const answer = await client.get(path);
      const reader = answer.body?.getReader();
      const first = await reader?.read();
      return { reader, first: Buffer.from(first?.value ?? []) };
    });
    const begun = await Promise.all(clients);
    expect(begun.every(({ first }) => first.length > 0)).toBe(true);
    letGo();
    const all = await Promise.all(
      begun.map(async ({ reader, first }) => {
        const chunks = [first];
        for (let next = await reader?.read(); next?.value !== undefined; next = await reader?.read()) {
          chunks.push(Buffer.from(next.value));
        }
        return Buffer.concat(chunks).equals(bytes);
      }),
    );
    expect(all.every((same) => same)).toBe(true);
    expect(upstream.requests).toHaveLength(1);
  });

  test('and who leave do not keep it from coming', async () => {
    let letGo = (): void => undefined;
    upstream.script = (_req, res) => {
      begin(res, bytes.subarray(0, 500_000));
      letGo = () => void res.end(bytes.subarray(500_000));
    };
    const answer = await client.get(path);
    await answer.body?.cancel();
    letGo();
    expect(await get()).toEqual([200, digest]);
    expect(upstream.requests).toHaveLength(1);
  });

  test('and take their time do not keep others from having it', async () => {
    const lazy = await client.get(path);
    expect(await get()).toEqual([200, digest]);
    expect(Buffer.from(await lazy.arrayBuffer()).equals(bytes)).toBe(true);
    expect(upstream.requests).toHaveLength(1);
  });

  test('no more than eight blobs are fetched at once', async () => {
    const blobs = Array.from({ length: 20 }, () => randomBytes(1_000));
    let open = 0;
    let most = 0;
    let waiting: (() => void)[] = [];
    upstream.script = (_req, res, serve) => {
      open += 1;
      most = Math.max(most, open);
      res.once('close', () => {
        open -= 1;
      });
      waiting.push(serve);
      // When all that may come have come, and a moment for those who may not.
      if (open >= 8 || most === 8) setTimeout(() => letGo(), 50);
    };
    const letGo = (): void => {
      for (const serve of waiting) serve();
      waiting = [];
    };
    for (const blob of blobs) upstream.putBlob('a', blob);
    const answers = await Promise.all(blobs.map((blob) => get(`quay.io/a/blobs/${digestOf(blob)}`)));
    expect(answers).toEqual(blobs.map((blob) => [200, digestOf(blob)]));
    expect(most).toBe(8);
  });
});

describe('an upstream that breaks off', () => {
  /** Cuts answers after so many bytes; later ones go through `then`. */
  const cutAfter = (length: number, then: Script): Script => {
    let times = 0;
    return (req, res, serve) => {
      times += 1;
      if (times > 1) return then(req, res, serve);
      begin(res, bytes.subarray(0, length));
      setTimeout(() => res.destroy(), 20);
    };
  };

  test('is gone on with where it stopped', async () => {
    upstream.script = cutAfter(400_000, (_req, _res, serve) => serve());
    expect(await get()).toEqual([200, digest]);
    expect(upstream.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      expect.stringMatching(/^bytes=\d+-$/),
    ]);
  });

  test('and knows no ranges is asked for all of it, and what is here is passed over', async () => {
    upstream.script = cutAfter(400_000, (req, _res, serve) => {
      delete req.headers.range;
      serve();
    });
    expect(await get()).toEqual([200, digest]);
    expect(upstream.requests).toHaveLength(2);
  });

  test('each time is given up when no more comes, and the client is cut', async () => {
    upstream.script = cutAfter(400_000, (_req, res) => {
      res.writeHead(206, {
        'Content-Length': 600_000,
        'Content-Range': `bytes 400000-999999/1000000`,
      });
      res.flushHeaders();
      setTimeout(() => res.destroy(), 5);
    });
    expect(await get()).toEqual([200, 'cut']);
    expect(upstream.requests).toHaveLength(4);
    await expectNothingKept();
  });

  test('and goes on with another length is not believed', async () => {
    upstream.script = cutAfter(400_000, (_req, res) => {
      res.writeHead(206, { 'Content-Length': 10, 'Content-Range': 'bytes 400000-400009/400010' });
      res.end(bytes.subarray(400_000, 400_010));
    });
    expect(await get()).toEqual([200, 'cut']);
    await expectNothingKept();
  });

  test('or stalls in the middle is asked again, too', async () => {
    await restart({ silence: 200 });
    let times = 0;
    upstream.script = (_req, res, serve) => {
      times += 1;
      if (times > 1) return serve();
      begin(res, bytes.subarray(0, 400_000));
    };
    expect(await get()).toEqual([200, digest]);
  });
});

describe('an upstream that lies', () => {
  const wrong = Buffer.from(bytes);
  wrong.writeUInt8(wrong.readUInt8(999_999) ^ 1, 999_999);

  test('about the bytes: nobody gets them whole, and nothing is kept', async () => {
    upstream.script = (_req, res) => {
      begin(res, wrong);
      res.end();
    };
    const answers = await Promise.all(Array.from({ length: 10 }, () => get()));
    expect(answers).toEqual(answers.map(() => [200, 'cut']));
    await expectNothingKept();
    expect(await codeOf()).toEqual([502, 'UPSTREAM_FAILED']);
  });

  test('about the bytes of a small blob: the client is told', async () => {
    const small = Buffer.from('small');
    upstream.script = (_req, res) => void res.end('smell');
    expect(await codeOf(`quay.io/a/blobs/${digestOf(small)}`)).toEqual([502, 'UPSTREAM_FAILED']);
    await expectNothingKept();
  });

  test('and sends nothing for something', async () => {
    upstream.script = (_req, res) => void res.writeHead(200, { 'Content-Length': 0 }).end();
    expect(await codeOf()).toEqual([502, 'UPSTREAM_FAILED']);
  });

  test.each([
    ['long', 1_000_010],
    ['short', 900_000],
  ])('about the length, which is told too %s', async (_, length) => {
    upstream.script = (req, res) => {
      if (req.headers.range !== undefined) return void res.writeHead(416).end();
      begin(res, bytes.subarray(0, Math.min(length, bytes.length)), length);
      setTimeout(() => res.destroy(), 20);
    };
    const [, body] = await get();
    expect(body).toBe('cut');
    await expectNothingKept();
  });

  test('about a manifest', async () => {
    upstream.script = (_req, res) => void res.end('{"schemaVersion":2,"manifests":[]}');
    expect(await codeOf(`quay.io/a/manifests/${digest}`)).toEqual([502, 'UPSTREAM_FAILED']);
    await expectNothingKept();
  });

  test.each([
    ['no JSON', 'a page of a hotel'],
    ['the first schema', '{"schemaVersion":1}'],
    ['too much', Buffer.alloc(5_000_000, 0x20)],
  ])('and sends %s for a manifest', async (_, body) => {
    upstream.script = (_req, res) => void res.end(body);
    expect(await codeOf('quay.io/a/manifests/v1')).toEqual([502, 'UPSTREAM_FAILED']);
  });
});

describe('an upstream without a length', () => {
  test('is answered from when all has come', async () => {
    upstream.script = (_req, res) => {
      res.writeHead(200);
      res.write(bytes.subarray(0, 10));
      res.end(bytes.subarray(10));
    };
    const answer = await client.get(path);
    expect(answer.headers.get('content-length')).toBe('1000000');
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  });
});

describe('an upstream that has enough', () => {
  test('is asked again after the short while it names', async () => {
    let times = 0;
    upstream.script = (_req, res, serve) => {
      times += 1;
      if (times > 1) serve();
      else res.writeHead(429, { 'Retry-After': '1' }).end();
    };
    expect(await get()).toEqual([200, digest]);
  });

  test('for a long while is left alone, and the client is told why', async () => {
    upstream.script = (_req, res) => void res.writeHead(429, { 'Retry-After': '120' }).end();
    for (let times = 0; times < 3; times += 1) {
      const [status, , message] = await errorOf();
      expect([status, message]).toEqual([502, expect.stringContaining('429, too many requests')]);
    }
    expect(upstream.requests).toHaveLength(1);
  });

  test('of errors gets a second and a third chance', async () => {
    let times = 0;
    upstream.script = (_req, res, serve) => {
      times += 1;
      if (times > 2) serve();
      else res.writeHead(503).end();
    };
    expect(await get()).toEqual([200, digest]);
  });

  test('and never answers is left alone after three failures', async () => {
    upstream.script = (_req, res) => void res.destroy();
    for (let times = 0; times < 5; times += 1) expect(await codeOf()).toEqual([502, 'UPSTREAM_FAILED']);
    expect(upstream.requests).toHaveLength(9);
    const [, , message] = await errorOf();
    expect(message).toMatch(/quay\.io broke the connection off, and is not asked for another \d+ s/);
  });

  test('and says nothing: the answer says so in time', async () => {
    await restart({ headers: 200 });
    upstream.script = () => undefined;
    expect(await codeOf()).toEqual([504, 'UPSTREAM_TIMEOUT']);
  });
});

describe('mirrors', () => {
  let mirror: UpstreamRegistry;
  let mirrored: LiveDepot;
  beforeEach(async () => {
    mirror = await startUpstream();
    const config = { url: upstream.url, mirrors: [mirror.url] };
    mirrored = await startLiveDepot({
      settings: { 'registry.upstreams': { 'quay.io': config } },
      upstreamTiming: { backoff: 5 },
    });
    client = new RegistryClient(`http://127.0.0.1:${mirrored.port}`);
  });
  afterEach(async () => {
    await mirror.stop();
    await mirrored.remove();
  });

  test('are asked first', async () => {
    mirror.putBlob('a', bytes);
    expect(await get()).toEqual([200, digest]);
    expect([mirror.requests.length, upstream.connections]).toEqual([1, 0]);
  });

  test.each([
    ['have it not', () => undefined],
    ['are gone', () => void mirror.stop()],
    ['refuse', () => refuse()],
  ])('that %s do not matter', async (_, spoil) => {
    spoil();
    expect(await get()).toEqual([200, digest]);
  });

  function refuse(): void {
    mirror.script = (_req, res) => void res.writeHead(403).end();
  }

  test('that send wrong bytes are passed over the next time', async () => {
    mirror.script = (_req, res) => void res.end(Buffer.alloc(1_000_000));
    expect(await get()).toEqual([200, 'cut']);
    expect(await get()).toEqual([200, digest]);
  });
});
