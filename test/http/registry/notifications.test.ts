/** Receivers are told what happens in the registry, at least once and in order, whatever becomes of them. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../../server/index.js';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { type Receiver, startReceiver } from '../../fixtures/receiver.js';
import { digestOf, imageOf, OCI_IMAGE, RegistryClient } from '../../fixtures/registry-client.js';
import { startDepot } from '../../fixtures/running-depot.js';
import { until } from '../../fixtures/until.js';

let receiver: Receiver;
let depot: LiveDepot | undefined;
let folder: string;
beforeEach(async () => {
  receiver = await startReceiver();
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-notify-'));
});
afterEach(async () => {
  await depot?.remove();
  depot = undefined;
  await receiver.close();
  await rm(folder, { recursive: true, force: true });
});

/** Starts a depot with one receiver, and a client of it. */
async function start(receiverConfig: object = {}, settings: object = {}) {
  const notifications = [{ name: 'hook', url: receiver.url, ...receiverConfig }];
  depot = await startLiveDepot({
    settings: { 'registry.delete': true, 'registry.notifications': notifications, ...settings },
  });
  return { depot, client: new RegistryClient(depot.urls[0] ?? '') };
}

interface Told {
  readonly action: string;
  readonly target: Record<string, unknown>;
}

/** The events that came, in the reference's envelope, with those that came again. */
function told(): Told[] {
  return receiver.received.flatMap(({ body }) => JSON.parse(body).events);
}

const short = () => told().map(({ action, target }) => `${action} ${target.tag ?? target.digest}`);

async function metric(name: string): Promise<string | undefined> {
  const text = await (await fetch(`${depot?.urls[0]}/metrics`)).text();
  const line = new RegExp(`^bootdepot_registry_notifications_${name}\\{endpoint="hook"\\} (\\d+)$`, 'm');
  return line.exec(text)?.[1];
}

const IMAGE = imageOf(['a layer']);
const [CONFIG = Buffer.alloc(0), LAYER = Buffer.alloc(0)] = IMAGE.blobs;
const PUSHED = [`push ${digestOf(CONFIG)}`, `push ${digestOf(LAYER)}`, 'push v1'];

describe('what is told', () => {
  test('a push, in the envelope of the reference registry', async () => {
    const { client } = await start();
    await client.push('team/app', 'v1', IMAGE);
    await until(() => told().length === 3);
    expect(short()).toEqual(PUSHED);
    expect(receiver.received[2]?.headers).toMatchObject({
      'content-type': 'application/vnd.docker.distribution.events.v2+json',
    });
    const host = new URL(depot?.urls[0] ?? '').host;
    expect(JSON.parse(receiver.received[2]?.body ?? '')).toEqual({
      events: [
        {
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
          action: 'push',
          target: {
            mediaType: OCI_IMAGE,
            size: IMAGE.manifest.length,
            length: IMAGE.manifest.length,
            digest: IMAGE.digest,
            repository: 'team/app',
            url: `http://${host}/v2/team/app/manifests/${IMAGE.digest}`,
            tag: 'v1',
          },
          request: {
            id: expect.any(String),
            addr: '127.0.0.1',
            host,
            method: 'PUT',
            useragent: expect.any(String),
          },
          actor: {},
          source: { addr: expect.any(String), instanceID: expect.stringMatching(/^[0-9a-f-]{36}$/) },
        },
      ],
    });
    expect(told()[1]?.target).toMatchObject({
      mediaType: 'application/octet-stream',
      size: LAYER.length,
      url: `http://${host}/v2/team/app/blobs/${digestOf(LAYER)}`,
    });
  });

  test('the request of an event is found in the log by its id', async () => {
    const { client, depot } = await start();
    await client.pushBlob('a', 'bytes');
    await until(() => receiver.received.length === 1);
    const { id } = JSON.parse(receiver.received[0]?.body ?? '').events[0].request;
    await until(() => depot.log().some((line) => line.id === id));
    expect(depot.log().find((line) => line.id === id)).toMatchObject({ method: 'PUT', repository: 'a' });
  });

  test('each tag that a push sets', async () => {
    const { client } = await start();
    for (const blob of IMAGE.blobs) await client.pushBlob('a', blob);
    await client.pushManifest('a', `${IMAGE.digest}?tag=x&tag=y`, IMAGE.manifest);
    await client.pushManifest('a', IMAGE.digest, IMAGE.manifest);
    await until(() => told().length === 5);
    expect(short().slice(2)).toEqual(['push x', 'push y', `push ${IMAGE.digest}`]);
  });

  test('mounts and deletions', async () => {
    const { client } = await start({ events: ['mount', 'delete'] });
    await client.push('a', 'v1', IMAGE);
    await client.ask('POST', `b/blobs/uploads/?mount=${digestOf(LAYER)}&from=a`);
    await client.ask('DELETE', 'a/manifests/v1');
    await client.ask('DELETE', `a/manifests/${IMAGE.digest}`);
    await client.ask('DELETE', `b/blobs/${digestOf(LAYER)}`);
    await until(() => told().length === 4);
    expect(short()).toEqual([
      `mount ${digestOf(LAYER)}`,
      'delete v1',
      `delete ${IMAGE.digest}`,
      `delete ${digestOf(LAYER)}`,
    ]);
    expect(told()[0]?.target).toMatchObject({ repository: 'b', fromRepository: 'a', size: LAYER.length });
  });

  test('pulls, where they are asked for', async () => {
    const { client } = await start({ events: ['pull'] });
    await client.push('a', 'v1', IMAGE);
    await (await client.get('a/manifests/v1')).text();
    await until(() => told().length === 1);
    await (await client.get(`a/blobs/${digestOf(LAYER)}`)).text();
    await client.ask('HEAD', 'a/manifests/v1');
    await until(() => told().length === 2);
    expect(
      told().map(({ action, target }) => [action, target.digest, target.size, target.mediaType]),
    ).toEqual([
      ['pull', IMAGE.digest, IMAGE.manifest.length, OCI_IMAGE],
      ['pull', digestOf(LAYER), LAYER.length, 'application/octet-stream'],
    ]);
  });

  test('no pulls, where nobody asked for them', async () => {
    const { client } = await start();
    await client.push('a', 'v1', IMAGE);
    await (await client.get('a/manifests/v1')).text();
    await client.pushBlob('a', 'last');
    await until(() => told().length === 4);
    expect(short()).toEqual([...PUSHED, `push ${digestOf('last')}`]);
  });

  test('only repositories that match the pattern, and nothing that was refused', async () => {
    const { client } = await start({ repositories: 'team/**' });
    await client.pushBlob('other', 'bytes');
    await client.pushBlob('team/deep/app', 'bytes', digestOf('other bytes'));
    await client.pushBlob('team/deep/app', 'bytes');
    await until(() => told().length > 0);
    expect(told().map(({ target }) => target.repository)).toEqual(['team/deep/app']);
  });

  test('a CloudEvent where that is asked for', async () => {
    const { client } = await start({ format: 'cloudevents' }, { publicUrl: 'https://depot.example.com' });
    await client.push('team/app', 'v1', IMAGE);
    await until(() => receiver.received.length === 3);
    expect(receiver.received[2]?.headers['content-type']).toBe('application/cloudevents+json');
    expect(JSON.parse(receiver.received[2]?.body ?? '')).toEqual({
      specversion: '1.0',
      id: expect.any(String),
      type: 'bootdepot.registry.manifest.push',
      source: 'https://depot.example.com/v2/team/app',
      subject: 'team/app:v1',
      time: expect.stringMatching(/Z$/),
      datacontenttype: 'application/json',
      data: expect.objectContaining({
        action: 'push',
        target: expect.objectContaining({ digest: IMAGE.digest, tag: 'v1' }),
      }),
    });
  });
});

describe('a receiver that', () => {
  test.each<[string, Receiver['answer']]>([
    ['answers 500', (res, count) => void res.writeHead(count < 3 ? 500 : 200).end('some words')],
    ['sends elsewhere', (res, count) => void res.writeHead(count < 3 ? 307 : 200, { Location: '/x' }).end()],
    ['hangs up', (res, count) => void (count < 3 ? res.destroy() : res.end())],
    ['stalls', (res, count) => void (count < 3 || res.end())],
  ])('%s is told again, in order, and no push waits for it', async (_, answer) => {
    const { client } = await start({ timeout: '200ms' });
    receiver.answer = answer;
    await client.push('a', 'v1', IMAGE);
    await until(() => told().length === 5);
    expect(short()).toEqual([PUSHED[0], PUSHED[0], ...PUSHED]);
    const ids = told().map((event) => Reflect.get(event, 'id'));
    expect(new Set(ids).size).toBe(3);
    await until(async () => (await metric('waiting')) === '0');
    expect(await metric('failed_total')).toBe('2');
    expect(await metric('delivered_total')).toBe('3');
  });

  test('wants a secret gets it from a file, read anew each time, and no log has it', async () => {
    const headersFile = join(folder, 'headers');
    await writeFile(headersFile, '# for the hook\nAuthorization: Bearer first-secret\n\nX-Depot: lab\n');
    receiver.answer = (res, count) => void res.writeHead(count === 1 ? 401 : 200).end();
    const { client, depot } = await start({ headersFile, url: `${receiver.url}?key=url-secret` });
    await client.pushBlob('a', 'bytes');
    await until(() => receiver.received.length === 1);
    await writeFile(headersFile, 'Authorization: Bearer second-secret\n');
    await until(() => receiver.received.length === 2);
    const [first, second] = receiver.received.map(({ headers }) => headers);
    expect(first).toMatchObject({ authorization: 'Bearer first-secret', 'x-depot': 'lab' });
    expect(second).toMatchObject({ authorization: 'Bearer second-secret' });
    const log = JSON.stringify(depot.log());
    expect(log).toContain('"endpoint":"hook","reason":"it answered 401"');
    expect(log).not.toMatch(/secret/);
  });

  test('is gone finds everything when it is back, also after kill -9', async () => {
    await receiver.close();
    const env = {
      BOOTDEPOT_REGISTRY_NOTIFICATIONS: `[{ name: hook, url: "${receiver.url}" }]`,
      BOOTDEPOT_KEYS_DIR: join(folder, 'keys'),
      BOOTDEPOT_ASSETS_DIR: join(folder, 'assets'),
      BOOTDEPOT_DATA_DIR: join(folder, 'data'),
    };
    const first = await startDepot([], env);
    await new RegistryClient(first.url).push('a', 'v1', IMAGE);
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');
    receiver = await startReceiver(receiver.port);
    const second = await startDepot([], env);
    try {
      await until(() => told().length === 3);
      expect(short()).toEqual(PUSHED);
      await new RegistryClient(second.url).pushBlob('b', 'more');
      await until(() => told().length === 4);
      expect(short()).toEqual([...PUSHED, `push ${digestOf('more')}`]);
    } finally {
      await second.stop();
    }
  });

  test('stalls does not hold up the end of the server', async () => {
    receiver.answer = () => undefined;
    const { client, depot } = await start();
    await client.pushBlob('a', 'bytes');
    await until(() => receiver.received.length === 1);
    expect(await depot.stop()).toBe(0);
  });
});

test('a spool that cannot be written fails no push; the log and the metrics say what was lost', async () => {
  const { client, depot } = await start();
  const spool = join(depot.folder, 'data/registry/.bootdepot/notifications');
  await rm(spool, { recursive: true });
  await writeFile(spool, 'in the way');
  await client.push('a', 'v1', IMAGE);
  expect(depot.log()).toContainEqual(
    expect.objectContaining({
      level: 'error',
      endpoint: 'hook',
      reason: expect.stringMatching(/^it cannot be kept: /),
    }),
  );
  expect(await metric('dropped_total')).toBe('3');
  await rm(spool);
  await client.pushBlob('a', 'later');
  await until(() => told().length === 1);
  expect(short()).toEqual([`push ${digestOf('later')}`]);
});

describe('the configuration', () => {
  const load = (notifications: object[]) =>
    loadConfig({
      env: {},
      flags: [{ name: 'registry.notifications', value: notifications, flag: 'test' }],
    });

  test.each<[string, object[], string]>([
    [
      'a name that is no folder',
      [{ name: '../x', url: 'http://a' }],
      'expected a name of lower-case letters',
    ],
    ['a user in the address', [{ name: 'a', url: 'http://u:p@a' }], 'expected an http or https address'],
    ['another scheme', [{ name: 'a', url: 'file:///etc/passwd' }], 'expected an http or https address'],
    ['an unknown event', [{ name: 'a', url: 'http://a', events: ['burn'] }], 'expected one of push, pull'],
    ['an unknown key', [{ name: 'a', url: 'http://a', token: 'x' }], 'unknown key token'],
    [
      'a name twice',
      [
        { name: 'a', url: 'http://a' },
        { name: 'a', url: 'http://b' },
      ],
      'expected receivers with names of their own',
    ],
  ])('refuses %s', async (_, notifications, message) => {
    await expect(load(notifications)).rejects.toThrow(message);
  });

  test.each([
    ['is missing', undefined],
    ['holds no header field', 'just-a-secret\n'],
  ])('a file of header fields that %s is noticed at the start', async (_, content) => {
    const headersFile = join(folder, 'headers');
    if (content !== undefined) await writeFile(headersFile, content);
    const problem = await start({ headersFile }).catch((error: Error) => error.message);
    expect(problem).toContain(headersFile);
    expect(problem).not.toContain('just-a-secret');
  });
});
