/** Each field of the manifest: present, null, empty, twice, of the wrong type (section 3, check 4). */
import { describe, expect, test } from '@jest/globals';
import { readImageManifest } from '../../server/aci/image-manifest.js';
import { parseImageConfig } from '../../server/convert/config.js';
import { imageManifest } from '../../server/convert/image-manifest.js';
import { parseImageReference } from '../../server/convert/reference.js';
import type { ImageSource } from '../../server/index.js';
import { memorySource } from '../fixtures/memory-image.js';

interface Made {
  readonly manifest: Record<string, unknown>;
  readonly app: Record<string, unknown> | undefined;
  readonly annotations: Record<string, string>;
  readonly labels: Record<string, string>;
  readonly warnings: readonly string[];
}

function make(config: Record<string, unknown>, source: Partial<ImageSource> = {}): Made {
  const made = memorySource({ layers: [Buffer.from('layer')], config, source });
  const warnings: string[] = [];
  const bytes = imageManifest(made, parseImageConfig(made.config), (text) => warnings.push(text));
  expect(readImageManifest(bytes).problems).toEqual([]);
  const manifest = JSON.parse(bytes.toString('utf8'));
  return {
    manifest,
    app: manifest.app,
    annotations: byName(manifest.annotations),
    labels: byName(manifest.labels),
    warnings,
  };
}

function byName(list: readonly { name: string; value: string }[]): Record<string, string> {
  return Object.fromEntries(list.map(({ name, value }) => [name, value]));
}

const appOf = (config: unknown): Record<string, unknown> | undefined => make({ config }).app;

describe('4. app', () => {
  test('is absent without a config, and of root with an empty one', () => {
    expect(appOf(undefined)).toBeUndefined();
    expect(appOf(null)).toBeUndefined();
    expect(appOf({})).toEqual({ exec: [], user: '0', group: '0' });
    expect(
      appOf({ Cmd: null, Env: null, User: null, Volumes: null, ExposedPorts: null, Unknown: 7 }),
    ).toEqual({
      exec: [],
      user: '0',
      group: '0',
    });
  });

  test.each([
    [{ Cmd: '/bin/sh' }, 'config.Cmd'],
    [{ Entrypoint: {} }, 'config.Entrypoint'],
    [{ Env: { A: 'b' } }, 'config.Env'],
    [{ Env: [1] }, 'config.Env.0'],
    [{ Volumes: ['/a'] }, 'config.Volumes'],
    [{ ExposedPorts: '80' }, 'config.ExposedPorts'],
    [{ User: 7 }, 'config.User'],
    [[], 'config'],
  ])('%j is refused with its name', (config, name) => {
    expect(() => make({ config })).toThrow(
      expect.objectContaining({ code: 'IMAGE_INVALID', message: expect.stringContaining(`config: ${name}`) }),
    );
  });

  test('runs the entry point with the command, both as they are', () => {
    const { app, annotations } = make({ config: { Entrypoint: ['/e', ''], Cmd: ['a b', '<&>'] } });
    expect(app?.exec).toEqual(['/e', '', 'a b', '<&>']);
    expect(annotations['appc.io/docker/entrypoint']).toBe('["/e",""]');
    expect(annotations['appc.io/docker/cmd']).toBe('["a b","\\u003c\\u0026\\u003e"]');
  });

  test.each([
    ['', '0', '0'],
    ['app', 'app', 'app'],
    ['1:2', '1', '2'],
    ['1:2:3', '1', '2'],
    [':g', '0', 'g'],
    ['u:', 'u', 'u'],
    [':', '0', '0'],
  ])('the user %j is %s of %s', (User, user, group) => {
    expect(appOf({ User })).toMatchObject({ user, group });
  });

  test.each([
    ['/srv', '/srv'],
    ['srv/x', '/srv/x'],
    ['', undefined],
  ])('the working directory %j is %j', (WorkingDir, expected) => {
    expect(appOf({ WorkingDir })?.workingDirectory).toBe(expected);
  });

  test('the environment has names once, and only such that appc takes', () => {
    const Env = ['A=1', 'B', 'C=', 'A=2=3', 'x.y-z=4', '=5', '1D=6', 'Ü=7'];
    const { app, warnings } = make({ config: { Env } });
    expect(app?.environment).toEqual([
      { name: 'A', value: '2=3' },
      { name: 'C', value: '' },
      { name: 'x.y-z', value: '4' },
    ]);
    expect(warnings).toHaveLength(3);
    expect(warnings[0]).toContain('"=5"');
  });

  test('volumes are mount points with names of their own, sorted', () => {
    const Volumes = { '/Srv/é_1': {}, '/': {}, '/a/b': {}, '/a-b': null, '/a/../a/b': {} };
    expect(appOf({ Volumes })?.mountPoints).toEqual([
      { name: 'volume', path: '/' },
      { name: 'volume-a-b', path: '/a-b' },
      { name: 'volume-a-b-1', path: '/a/../a/b' },
      { name: 'volume-a-b-2', path: '/a/b' },
      { name: 'volume-srv---1', path: '/Srv/é_1' },
    ]);
  });

  test('ports are numbers and ranges, the protocol in its case', () => {
    const ExposedPorts = {
      '53/udp': {},
      '25/TCP': {},
      '25/tcp': {},
      '80': {},
      '8000-8002/tcp': {},
      '0/tcp': {},
      '70000': {},
      x: {},
      '9-8': {},
    };
    const { app, warnings } = make({ config: { ExposedPorts } });
    expect(app?.ports).toEqual([
      { name: '25-tcp', protocol: 'TCP', port: 25, count: 1, socketActivated: false },
      { name: '25-tcp-1', protocol: 'tcp', port: 25, count: 1, socketActivated: false },
      { name: '53-udp', protocol: 'udp', port: 53, count: 1, socketActivated: false },
      { name: '80', protocol: 'tcp', port: 80, count: 1, socketActivated: false },
      { name: '8000-8002-tcp', protocol: 'tcp', port: 8000, count: 3, socketActivated: false },
    ]);
    expect(warnings).toHaveLength(4);
  });

  test('labels and old ports count for old images alone', () => {
    const config = { Labels: { b: '2', a: '1' }, PortSpecs: ['80/tcp'], ExposedPorts: null };
    expect(appOf(config)).toEqual({ exec: [], user: '0', group: '0' });
    expect(make({ config }, { generation: 'old' }).app).toMatchObject({
      userLabels: { a: '1', b: '2' },
      ports: [{ name: '80-tcp', port: 80 }],
    });
  });
});

describe('4. who the image is', () => {
  test.each([
    ['reg.lan:5000/t/x:v1', 'reg.lan_5000/t/x'],
    ['quay.io/coreos/hyperkube:v1', 'quay.io/coreos/hyperkube'],
    ['redis', 'registry-1.docker.io/library/redis'],
  ])('%s is called %s', (typed, name) => {
    const { manifest, annotations } = make({}, { reference: parseImageReference(typed) });
    expect(manifest).toMatchObject({ acKind: 'ImageManifest', acVersion: '0.8.11', name });
    expect(annotations['appc.io/docker/originalname']).toBe(typed);
  });

  test('labels are sorted; by digest there is no version', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    expect(make({}, { reference: parseImageReference('a.b/c:v9') }).manifest.labels).toEqual([
      { name: 'arch', value: 'amd64' },
      { name: 'os', value: 'linux' },
      { name: 'version', value: 'v9' },
    ]);
    expect(make({}, { reference: parseImageReference(`a.b/c:v9@${digest}`) }).labels.version).toBeUndefined();
  });

  test.each([
    ['linux', 'amd64', 'amd64'],
    ['linux', '386', 'i386'],
    ['linux', 'arm64', 'aarch64'],
    ['linux', 'arm', 'armv6l'],
    ['linux', 'ppc64', 'ppc64'],
    ['linux', 'ppc64le', 'ppc64le'],
    ['linux', 's390x', 's390x'],
    ['freebsd', 'amd64', 'amd64'],
    ['freebsd', '386', 'i386'],
    ['freebsd', 'arm', 'arm'],
    ['darwin', 'amd64', 'x86_64'],
    ['darwin', '386', 'i386'],
  ])('%s/%s is labelled %s', (os, architecture, arch) => {
    expect(make({ os, architecture, variant: 'v7' }).labels).toEqual({ os, arch, version: 'v1' });
  });

  test('without os and architecture it is linux/amd64; what appc has no word for is refused', () => {
    expect(make({ os: undefined, architecture: null }).labels).toMatchObject({ os: 'linux', arch: 'amd64' });
    for (const platform of [{ os: 'windows' }, { architecture: 'riscv64' }, { os: 'constructor' }]) {
      expect(() => make(platform)).toThrow(expect.objectContaining({ code: 'IMAGE_INVALID' }));
    }
  });

  test('annotations of new images', () => {
    const created = '2017-03-01T12:34:56.123456789+01:00';
    const { annotations } = make({ created, author: 'Jane', comment: 'x' });
    expect(annotations).toEqual({
      author: 'Jane',
      created,
      'appc.io/docker/originalname': 'reg.example.com/team/app:v1',
      'appc.io/docker/registryurl': 'reg.example.com',
      'appc.io/docker/repository': 'team/app',
      'appc.io/docker/imageid': expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      'appc.io/docker/manifesthash': `sha256:${'a'.repeat(64)}`,
    });
  });

  test('annotations of old images', () => {
    const config = { created: '2017-03-01T12:34:56.9+01:00', author: 'Jane', comment: 'x' };
    const { annotations } = make(config, { generation: 'old', imageId: 'top', parentImageId: 'below' });
    expect(annotations).toMatchObject({
      authors: 'Jane',
      created: '2017-03-01T12:34:56+01:00',
      'docker-comment': 'x',
      'appc.io/docker/imageid': 'top',
      'appc.io/docker/parentimageid': 'below',
      'appc.io/docker/tag': 'v1',
    });
    const epoch = make({ created: '1970-01-01T00:00:00Z' }, { generation: 'old' }).annotations;
    expect(epoch).not.toHaveProperty('created');
    expect(epoch).not.toHaveProperty('appc.io/docker/tag');
  });

  test('a time of creation that is none is left out and told', () => {
    const { annotations, warnings } = make({ created: 'yesterday' });
    expect(annotations).not.toHaveProperty('created');
    expect(warnings).toEqual([expect.stringContaining('"yesterday"')]);
  });

  test('a config that is no JSON, or too large, is refused', () => {
    expect(() => parseImageConfig(Buffer.from('{'))).toThrow('not JSON');
    expect(() => parseImageConfig(Buffer.alloc(5 * 1024 * 1024))).toThrow('expected at most');
    expect(() => parseImageConfig(Buffer.from('[]'))).toThrow('config: all of it');
  });
});
