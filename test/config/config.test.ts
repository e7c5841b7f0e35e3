import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ConfigSources, formatConfig, type LoadedConfig, loadConfig } from '../../server/index.js';

let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootdepot-config-'));
  file = join(folder, 'depot.yaml');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function load(yaml: string, others: Omit<ConfigSources, 'file'> = {}): Promise<LoadedConfig> {
  await writeFile(file, yaml);
  return loadConfig({ file, env: {}, ...others });
}

describe('where values come from', () => {
  test('without any source the defaults hold', async () => {
    const { config } = await loadConfig({ env: {} });
    expect(config.listen).toEqual([
      { text: '127.0.0.1:8080', tls: false, at: { host: '127.0.0.1', port: 8080 } },
    ]);
    expect(config.assets).toEqual({ dir: 'assets', listing: true, symlinks: 'inside', cache: [] });
    expect(config.limits).toMatchObject({ headerSize: 32_768, drain: 30_000 });
    expect(config.publicUrl).toBeUndefined();
  });

  test('file, environment and flags win over one another in that order, and each says so', async () => {
    const { config, settings } = await load('log: { level: warn }\nkeys: { dir: a }\nassets: { dir: a }\n', {
      env: { BOOTDEPOT_ASSETS_DIR: 'b', BOOTDEPOT_KEYS_DIR: 'b' },
      flags: [
        { name: 'keys.dir', flag: '--keys', value: 'c' },
        { name: 'data.dir', flag: '--data', value: undefined },
      ],
    });
    expect([config.log.level, config.assets.dir, config.keys.dir, config.data.dir]).toEqual([
      'warn',
      'b',
      'c',
      'data',
    ]);
    const origins = ['log.level', 'assets.dir', 'keys.dir', 'data.dir'].map((n) => settings.get(n)?.origin);
    expect(origins).toEqual([`${file}:1`, 'BOOTDEPOT_ASSETS_DIR', '--keys', 'default']);
  });

  test('BOOTDEPOT_CONFIG names the file, and --config wins over it', async () => {
    const other = join(folder, 'other.yaml');
    await writeFile(other, 'keys: { dir: other }\n');
    const named = await loadConfig({ env: { BOOTDEPOT_CONFIG: other } });
    expect(named.config.keys.dir).toBe('other');
    const flagged = await load('keys: { dir: flagged }\n', { env: { BOOTDEPOT_CONFIG: other } });
    expect(flagged.config.keys.dir).toBe('flagged');
  });

  test.each([
    ['BOOTDEPOT_LISTEN', '[::1]:8080, 127.0.0.1:81', 'listen', ['[::1]:8080', '127.0.0.1:81']],
    ['BOOTDEPOT_PUBLIC_URL', 'http://depot.lan/', 'publicUrl', 'http://depot.lan/'],
    ['BOOTDEPOT_ASSETS_LISTING', 'false', 'assets.listing', false],
    ['BOOTDEPOT_LIMITS_CONNECTIONS', '12', 'limits.connections', 12],
    [
      'BOOTDEPOT_ASSETS_CACHE',
      '[{glob: "*.a", control: no-store}]',
      'assets.cache',
      [{ glob: '*.a', control: 'no-store' }],
    ],
    [
      'BOOTDEPOT_REGISTRY_UPSTREAMS',
      '{ quay.io: {}, "localhost:5001": { url: "http://localhost:5001" } }',
      'registry.upstreams',
      { 'quay.io': {}, 'localhost:5001': { url: 'http://localhost:5001' } },
    ],
  ])('%s=%s is read', async (variable, text, name, value) => {
    const { settings } = await loadConfig({ env: { [variable]: text } });
    expect(settings.get(name)).toEqual({ name, value, origin: variable });
  });

  test('empty variables, a passphrase and what Kubernetes sets for a service are passed over', async () => {
    const env = {
      BOOTDEPOT_TLS_CERT: '',
      BOOTDEPOT_PASSPHRASE: 'secret',
      BOOTDEPOT_PORT: 'tcp://10.0.0.1:80',
      BOOTDEPOT_PORT_80_TCP_ADDR: '10.0.0.1',
      BOOTDEPOT_SERVICE_HOST: '10.0.0.1',
    };
    const { settings } = await loadConfig({ env });
    expect([...settings.values()].every(({ origin }) => origin === 'default')).toBe(true);
  });

  test('a key without a value and an empty file change nothing', async () => {
    const { config } = await load('keys:\nassets:\n  dir:\n');
    expect([config.keys.dir, config.assets.dir]).toEqual(['keys', 'assets']);
    await expect(load('')).resolves.toBeDefined();
  });
});

describe('values', () => {
  test.each([
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['0s', 0],
  ])('a duration %s is %d ms', async (text, value) => {
    expect((await load(`limits: { idleTime: ${text} }`)).config.limits.idleTime).toBe(value);
  });

  test.each([
    ['0B', 0],
    ['16KiB', 16_384],
    ['5GiB', 5 * 1024 ** 3],
    ['1.5MiB', 1_572_864],
  ])('a size %s is %d bytes', async (text, value) => {
    expect((await load(`limits: { freeSpace: ${text} }`)).config.limits.freeSpace).toBe(value);
  });

  test.each([
    ['0.0.0.0:80', { tls: false, at: { host: '0.0.0.0', port: 80 } }],
    ['https://depot.lan:443', { tls: true, at: { host: 'depot.lan', port: 443 } }],
    ['http://[fe80::1%eth0]:80', { tls: false, at: { host: 'fe80::1%eth0', port: 80 } }],
    ['*:0', { tls: false, at: { host: undefined, port: 0 } }],
    [':8080', { tls: false, at: { host: undefined, port: 8080 } }],
    ['unix:/run/depot.sock', { tls: false, at: { path: '/run/depot.sock' } }],
  ])('%s is a listener', async (text, listener) => {
    const { config } = await load('tls: { cert: c, key: k }', {
      flags: [{ name: 'listen', flag: '--listen', value: [text] }],
    });
    expect(config.listen).toEqual([{ text, ...listener }]);
  });
});

describe('mistakes are named with where they stand and what was expected', () => {
  test.each([
    ['assets:\n  dirr: x', ':2: unknown key assets.dirr: the nearest known one is assets.dir'],
    ['asset: {}', ':1: unknown key asset: the nearest known one is assets'],
    ['public: x', ':1: unknown key public: the nearest known one is publicUrl'],
    ['assets: x', ':1: assets holds keys, got "x"'],
    ['- a', ':1: the configuration holds keys, got ["a"]'],
    ['\na: [', ':2: not YAML: '],
    ['keys: {dir: a}\nkeys: {dir: b}', ':2: not YAML: Map keys must be unique'],
    ['listen: x', ':1: listen: expected a list of addresses, got "x"'],
    ['listen: []', ':1: listen: expected at least one address, got []'],
    [
      'listen:\n- a:1\n- "::1:80"',
      ':1: listen.1: expected host:port such as 127.0.0.1:8080, https://host:port, or unix:/path, got "::1:80"',
    ],
    ['listen: ["a:70000"]', ':1: listen.0: expected host:port'],
    [
      'limits:\n  drain: 30',
      ':2: limits.drain: expected a duration such as 30s, 5m or 24h, of at most 24 days, got 30',
    ],
    ['limits: {drain: 30d}', ':1: limits.drain: expected a duration'],
    [
      'limits: {headerSize: 5GB}',
      ':1: limits.headerSize: expected a size such as 16KiB, 64MiB or 5GiB, got "5GB"',
    ],
    ['limits: {connections: 0}', ':1: limits.connections: expected a number of 1 or more, got 0'],
    ['assets: {symlinks: outside}', ':1: assets.symlinks: expected one of inside, follow, got "outside"'],
    ['assets: {listing: "yes"}', ':1: assets.listing: expected true or false, got "yes"'],
    [
      'assets: {cache: [{glob: x}]}',
      ':1: assets.cache.0.control: expected a Cache-Control value such as no-cache, got nothing',
    ],
    [
      'assets: {cache: [{glob: x, control: "a\\nb"}]}',
      ':1: assets.cache.0.control: expected a Cache-Control value',
    ],
    ['assets: {cache: [{glob: x, contrl: y}]}', ':1: assets.cache.0'],
    [
      'publicUrl: depot.lan',
      ':1: publicUrl: expected an address such as http://depot.example.com:8080, got "depot.lan"',
    ],
    ['publicUrl: http://u:p@depot.lan', ':1: publicUrl: expected an address'],
    ['registry:\n  upstreams: { quay.io: { user: x } }', ':2: registry.upstreams.quay.io: unknown key user'],
    [
      'registry: { upstreams: { q: { url: "ftp://q" } } }',
      ':1: registry.upstreams.q.url: expected an address such as https://quay.io, without a name',
    ],
    [
      'registry: { upstreams: { "quay.io/coreos": {} } }',
      ':1: registry.upstreams.quay.io/coreos: expected the name of a registry such as quay.io',
    ],
    [
      'registry: { upstreams: { q: { username: x } } }',
      ':1: registry.upstreams.q: expected username and passwordFile beside each other',
    ],
    ['registry: { upstreams: [quay.io] }', ':1: registry.upstreams: expected upstreams by name'],
    ['tls: {cert: x}', ':1: tls.cert needs tls.key beside it'],
    ['listen: ["https://a:1"]', ':1: listen: https://a:1 needs a certificate: set tls.cert and tls.key'],
  ])('%j', async (yaml, message) => {
    const failure = load(yaml);
    await expect(failure).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(failure).rejects.toThrow(file + message);
  });

  test('an unknown variable of ours is refused with the nearest known one', async () => {
    const failure = loadConfig({ env: { BOOTDEPOT_LISTN: 'x' } });
    await expect(failure).rejects.toThrow(
      'unknown environment variable BOOTDEPOT_LISTN: the nearest known one is BOOTDEPOT_LISTEN',
    );
  });

  test('a wrong value in the environment or a flag is named by its variable or flag', async () => {
    await expect(loadConfig({ env: { BOOTDEPOT_LIMITS_CONNECTIONS: 'many' } })).rejects.toThrow(
      'BOOTDEPOT_LIMITS_CONNECTIONS: limits.connections: expected a whole number, got "many"',
    );
    await expect(loadConfig({ env: { BOOTDEPOT_ASSETS_CACHE: '[{]' } })).rejects.toThrow(
      'BOOTDEPOT_ASSETS_CACHE: expected a list as YAML writes it',
    );
    const flags = [{ name: 'log.level', flag: '--log-level', value: 'loud' }];
    await expect(loadConfig({ env: {}, flags })).rejects.toThrow(
      '--log-level: log.level: expected one of trace',
    );
  });

  test('a named file that is not there is an error, the default one is not', async () => {
    const missing = join(folder, 'missing.yaml');
    await expect(loadConfig({ env: {}, file: missing })).rejects.toThrow(`${missing} does not exist`);
    await expect(loadConfig({ env: {} })).resolves.toBeDefined();
  });

  test('a key of the engine itself is only an unknown key', async () => {
    await expect(load('__proto__: {polluted: true}')).rejects.toThrow('unknown key __proto__');
    expect({}).not.toHaveProperty('polluted');
  });
});

test('what is printed can be read again and means the same', async () => {
  const first = await load(
    'publicUrl: http://a.lan\nassets: {cache: [{glob: "**", control: "max-age=1, public"}]}\n',
    {
      flags: [{ name: 'listen', flag: '--listen', value: ['[::1]:1'] }],
    },
  );
  const printed = await formatConfig(first);
  expect(printed).toContain('listen: [ "[::1]:1" ] # --listen');
  expect(printed).toContain(`publicUrl: http://a.lan # ${file}:1`);
  expect(printed).toContain('  cert: null # not set (BOOTDEPOT_TLS_CERT)');
  const again = await load(printed);
  expect(again.config).toEqual(first.config);
});
