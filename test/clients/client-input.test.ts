/** What may be said about a machine: everything hostile is refused or stays inside of its value. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parse as parseToml } from 'smol-toml';
import { parseAllDocuments, parse as parseYaml } from 'yaml';
import { parseBaseUrl, parseHostPort, registryOf } from '../../server/clients/address.js';
import type { ClientFile } from '../../server/clients/client-file.js';
import { configureManifests } from '../../server/clients/configure.js';
import { CLIENT_FORMATS, type ClientFormat } from '../../server/clients/format-names.js';
import { renderClients } from '../../server/clients/formats.js';
import { CLIENT_OPTIONS, parseClientOptions } from '../../server/clients/options.js';
import { DepotError } from '../../server/index.js';
import { configured, fileOf, optionsOf, TEST_CA } from '../fixtures/client-request.js';

const RUNS = Number(process.env.CLIENT_TEXT_RUNS ?? 60);

/** Characters that end, begin or expand something in one of the formats, and words that do. */
const HOSTILE = fc
  .array(
    fc.constantFrom(
      ...['\n', '\r', '\0', '"', "'", '`', '$', '$(id)', '{{.x}}', '#', ';', '|', '||', '&&', '<', '>'],
      ...[
        '\\',
        ' ',
        '%',
        '%n',
        ':',
        ': ',
        '- ',
        '/',
        '//',
        '..',
        '../',
        '@',
        '[',
        ']',
        '{',
        '}',
        '=',
        ',',
        '!',
        '*',
      ],
      ...[
        'END',
        'EOF',
        'reg',
        'quay.io',
        'a',
        '5000',
        '---',
        '\u2028',
        '\u00e9',
        '\u{1f600}',
        'http://',
        '::1',
      ],
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

test.each([
  ['registry.example.com:5000', 'registry.example.com:5000'],
  ['Registry.Example.com', 'registry.example.com'],
  ['192.0.2.10:5000', '192.0.2.10:5000'],
  ['[2001:db8::1]:5000', '[2001:db8::1]:5000'],
  ['localhost:65535', 'localhost:65535'],
])('%s is the address of a registry', (text, address) => {
  expect(parseHostPort(text, 'registry')).toBe(address);
});

test.each([
  ...['', 'registry.example.com:', 'http://registry.example.com', 'registry.example.com/x', 'a b', 'a:0'],
  ...[
    'a:65536',
    'a:5000x',
    '-a.b',
    'a-.b',
    'a..b',
    '.a',
    'a.',
    '1.2.3',
    '256.1.1.1',
    '[::1',
    '[::zz]:1',
    'a_b',
  ],
  ...['user@host', "a'b", 'a\nb', 'a%b', '[fe80::1%eth0]:1', `${'a'.repeat(64)}.b`],
])('%j is none', (text) => {
  expect(() => parseHostPort(text, 'registry')).toThrow(/^registry: expected host or host:port/);
});

test('the registry of an address is its host; a single word gets its port, or Docker would take it for a folder', () => {
  const registryAt = (url: string) => registryOf(parseBaseUrl(url, 'depot'));
  expect(registryAt('http://depot.example.com:8080/')).toBe('depot.example.com:8080');
  expect(registryAt('https://depot.example.com/some/path')).toBe('depot.example.com');
  expect(registryAt('http://depot')).toBe('depot:80');
  expect(registryAt('https://depot')).toBe('depot:443');
});

test('no text gets through as an address unless it is plain', () => {
  fc.assert(
    fc.property(HOSTILE, (text) => {
      for (const parse of [parseHostPort, parseBaseUrl]) {
        let address: string;
        try {
          address = parse(text, 'it');
        } catch (error) {
          expect(error).toBeInstanceOf(DepotError);
          continue;
        }
        expect(address).toMatch(/^(?:https?:\/\/)?[a-z0-9.:[\]-]+(?:\/[A-Za-z0-9._~%/-]*)?$/);
      }
    }),
    { numRuns: RUNS * 10 },
  );
});

/** Reads a text as its program would, and fails where it cannot. */
function mustParse({ path, content }: ClientFile): void {
  const text = Buffer.from(content).toString();
  if (path.endsWith('.toml') || path.endsWith('50-depot.conf')) parseToml(text);
  else if (path.endsWith('.yaml')) parseAllDocuments(text).map((document) => document.toJS());
  else if (path.endsWith('.json')) JSON.parse(text);
  else if (path.endsWith('dnsmasq.d/depot.conf')) mustMatch(text, DNSMASQ_LINE);
  else if (path.endsWith('.ipxe')) mustMatch(text, IPXE_LINE);
  else if (path.endsWith('.d/40-insecure-registry.conf')) mustMatch(text, UNIT_LINE);
}

const DNSMASQ_LINE = /^(?:# .*|(?:bind-dynamic|enable-tftp)|[a-z-]+=[\w.,:/!"[\] -]+)$/;
const IPXE_LINE =
  /^(?:#.*|:\w+|imgfree|boot \|\| goto failed|(?:echo|sleep|goto|chain) [\w .,:/[\]-]+|imgtrust --permanent \|\| goto untrusted|(?:kernel|initrd|imgverify) [^|;"'`\\]+ \|\| goto \w+)$/;
const UNIT_LINE = /^(?:# .*|\[Service\]|(?:Environment|ExecStart)=[^\\]*)$/;

function mustMatch(text: string, line: RegExp): void {
  for (const each of text.trimEnd().split('\n')) expect(each).toMatch(line);
}

const KINDS =
  'docker docker-dropin containerd nerdctl buildkit crio k3s rke2 talos rkt gpgv ca dnsmasq ipxe matchbox';

test('whatever an option says, it is refused, or every text of every kind can still be read', async () => {
  const names = fc.constantFrom(...CLIENT_OPTIONS.map(({ name }) => name));
  const kinds = fc.constantFrom(...KINDS.split(' '));
  let read = 0;
  await fc.assert(
    fc.asyncProperty(kinds, names, HOSTILE, async (kind, name, value) => {
      const base = {
        address: ['192.0.2.1'],
        depot: ['https://depot.example.com'],
        'dhcp-range': ['192.0.2.0,proxy'],
      };
      const options = new Map(
        Object.entries({ ...base, ...(kind === 'docker-dropin' && { insecure: ['1'] }) }),
      );
      options.set(name, [value]);
      const { files } = await configured(kind, '', { options, caFile: TEST_CA }).catch((error: unknown) => {
        expect(error).toBeInstanceOf(DepotError);
        return { files: [] };
      });
      for (const file of files) {
        expect(file.path).toMatch(/^[\w./:@[\]-]+$/);
        expect(file.path).not.toMatch(/(?:^|\/)\.\.?(?:\/|$)/);
        mustParse(file);
        read += 1;
      }
    }),
    { numRuns: RUNS * 10 },
  );
  expect(read).toBeGreaterThan(RUNS);
});

test('metadata comes out of the group as it went in', async () => {
  await fc.assert(
    fc.asyncProperty(HOSTILE, async (value) => {
      const options = new Map([['metadata', [`motd=${value}`]]]);
      if (/\p{Cc}/u.test(value)) {
        expect(() => parseClientOptions(options)).toThrow(/^metadata: expected key=value/);
        return;
      }
      const { files } = await configured('matchbox', '', { options });
      const group = JSON.parse(String(files[0]?.content));
      expect(group.metadata.motd).toBe(value);
      expect(group.metadata.docker_registry).toBe('depot.example.com:8080');
    }),
    { numRuns: RUNS },
  );
});

test('every form carries every byte of a file, and nothing of it becomes a command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bootdepot-forms-'));
  try {
    fc.assert(
      fc.property(fc.array(HOSTILE, { minLength: 1, maxLength: 6 }), (parts) => {
        const contents = [parts.join('\n'), `${parts.join('')}\n`, Buffer.from(parts.join('\0'))];
        const files = contents.map(
          (content, index): ClientFile => ({
            ...{ path: `/etc/it's here/${index}`, mode: 0o640, content, purpose: parts.join(''), after: [] },
          }),
        );
        const bytes = contents.map((content) => Buffer.from(content));
        expect(contentsIn('ignition', files)).toEqual(bytes);
        expect(contentsIn('butane', files)).toEqual(bytes);
        expect(contentsIn('cloud-config', files)).toEqual(bytes);
        const texts = { files, notes: parts };
        const ran = spawnSync('sh', ['-s', '--', '--root', folder], {
          input: renderClients('script', texts),
          encoding: 'utf8',
        });
        expect(ran).toMatchObject({ status: 0, stderr: '' });
        expect(files.map(({ path }) => readFileSync(join(folder, path)))).toEqual(bytes);
        const unpacked = spawnSync('tar', ['-xO'], { input: renderClients('tar', texts) });
        expect(unpacked.stdout).toEqual(Buffer.concat(bytes));
      }),
      { numRuns: Math.ceil(RUNS / 10) },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

interface ReadFile {
  readonly content?: string;
  readonly encoding?: string;
  readonly contents?: { readonly source?: string; readonly inline?: string };
}

function contentsIn(format: ClientFormat, files: readonly ClientFile[]): Buffer[] {
  const parsed = parseYaml(renderClients(format, { files, notes: [] }).toString());
  const read: readonly ReadFile[] = parsed.write_files ?? parsed.storage.files;
  return read.map(({ content, encoding, contents }) => {
    if (contents?.source !== undefined) {
      return Buffer.from(contents.source.replace('data:;base64,', ''), 'base64');
    }
    return Buffer.from(content ?? contents?.inline ?? '', encoding === 'b64' ? 'base64' : 'utf8');
  });
}

test.each([
  ['an unknown option', 'colour=red', /there is no option "colour"/],
  ['a name that Docker reads as a folder', 'registry=depot', /give its port or full name/],
  ['signatures where nobody checks them', 'require-signatures', /only crio, podman and skopeo/],
  ['an option twice', 'registry=a.b&registry=c.d', /more than once/],
  ['a flag that is no flag', 'insecure=maybe', /true or false/],
])('%s is refused', async (_, query, message) => {
  await expect(configured('docker', query)).rejects.toThrow(message);
});

test('a kind that there is not is refused with the nearest that there is', async () => {
  await expect(configured('contained')).rejects.toThrow(
    'there is no kind "contained": did you mean containerd?',
  );
});

test('without an address there is no guess', async () => {
  await expect(configured('docker', '', { address: undefined })).rejects.toThrow(
    /which address do machines know/,
  );
});

test('rkt gets a login in files for root alone, and no password breaks out of them', async () => {
  const at = 'depot=https://depot.example.com&registry=depot.example.com:5000';
  const login = { user: 'rack', password: '"}\\ $(id)' };
  const { files } = await configured('rkt', at, { login });
  const [auth, dockerAuth] = files.slice(1);
  expect(files.slice(1).map(({ path, mode }) => [path, mode])).toEqual([
    ['/etc/rkt/auth.d/depot-auth.json', 0o600],
    ['/etc/rkt/auth.d/depot-dockerAuth.json', 0o600],
  ]);
  const kinds = { rktVersion: 'v1', credentials: login };
  const domains = ['depot.example.com'];
  expect(JSON.parse(String(auth?.content))).toEqual({ ...kinds, rktKind: 'auth', type: 'basic', domains });
  const registries = ['depot.example.com:5000'];
  expect(JSON.parse(String(dockerAuth?.content))).toEqual({ ...kinds, rktKind: 'dockerAuth', registries });
  await expect(configured('rkt', at, { login: { user: 'a:b', password: 'x' } })).rejects.toThrow(/^user:/);
});

test('an address of this machine alone is warned about, in the text and beside it', async () => {
  const { files, notes } = await configured('containerd', '', { address: 'http://127.0.0.1:8080' });
  expect(notes[0]).toMatch(/^Warning: 127\.0\.0\.1:8080 means each machine itself/);
  expect(files[0]?.content).toMatch(/^# Warning: 127\.0\.0\.1:8080 means each machine itself/m);
});

test('what lies on no machine has no place in a form for machines', async () => {
  for (const format of CLIENT_FORMATS.keys()) {
    const made = configured('talos', '', { format });
    if (format === 'files' || format === 'tar') await made;
    else await expect(made).rejects.toThrow('talos-depot.yaml lies on no machine');
  }
});

test("a machine's own settings stay, and lists become one", async () => {
  const existing = '{"insecure-registries":["old:5000","depot.example.com:8080"],"log-driver":"json-file"}';
  expect(JSON.parse(await fileOf('docker', 'daemon.json', '', { existing }))).toEqual({
    'insecure-registries': ['old:5000', 'depot.example.com:8080'],
    'log-driver': 'json-file',
  });
  const policy =
    '{"default":[{"type":"reject"}],"transports":{"docker":{"other.example.com":[{"type":"reject"}]}}}';
  const joined = JSON.parse(
    await fileOf('podman', 'policy.json', 'require-signatures', { existing: policy }),
  );
  expect(Object.keys(joined.transports.docker)).toEqual(['other.example.com', 'depot.example.com:8080']);
  await expect(configured('docker', '', { existing: '[]' })).rejects.toThrow('expected the JSON object');
  await expect(configured('ipxe', '', { existing: '{}' })).rejects.toThrow('goes with one kind');
});

test.each([
  ['', 2, 'io.containerd.grpc.v1.cri'],
  ['version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.configs]\n', 2, 'io.containerd.grpc.v1.cri'],
  ['version = 3\noom_score = -999\n', 3, 'io.containerd.cri.v1.images'],
])('config_path gets its place in %j', async (existing, version, plugin) => {
  const settings = parseToml(await fileOf('containerd', 'config.toml', '', { existing }));
  expect(settings).toMatchObject({
    version,
    plugins: { [plugin]: { registry: { config_path: '/etc/containerd/certs.d' } } },
  });
  if (version === 3) expect(settings.oom_score).toBe(-999);
});

test('mirrors of the form before are not lost: they are refused', async () => {
  const existing =
    'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."quay.io"]\nendpoint = ["http://x"]\n';
  await expect(configured('containerd', '', { existing })).rejects.toThrow(/take them out first/);
  await expect(configured('containerd', '', { existing: 'a = ' })).rejects.toThrow(/TOML of .*, line 1/);
});

const POD = `# a pod
kind: Pod
spec:
  initContainers:
    - { name: a, image: nginx:1.27 }   # from the hub
  containers:
    - name: b
      image: "quay.io/coreos/etcd:v3.5.9"
    - name: c
      image: 'registry.k8s.io/pause@sha256:${'0'.repeat(64)}'
    - name: d
      image: depot.example.com:8080/team/app:v1
    - name: e
      image: "{{ .Values.image }}"
  volumes:
    - name: v
      image: { reference: ghcr.io/o/data:1 }
---
data:
  image: quay.io/left/alone:v1
`;

const rewrite = (text: string, query = '') =>
  configureManifests(text, {
    options: optionsOf(query),
    address: 'http://depot.example.com:8080',
    keysDir: 'test/fixtures/none',
    publication: async () => ({ current: undefined, keys: [], modifiedMs: 0 }),
  });

test('images of Kubernetes get their names in the depot, and not another byte changes', async () => {
  const { text, renamed, passedOver } = await rewrite(POD);
  const depot = 'depot.example.com:8080';
  expect(text).toBe(
    POD.replace('nginx:1.27', `${depot}/docker.io/library/nginx:1.27`)
      .replace('quay.io/coreos', `${depot}/quay.io/coreos`)
      .replace('registry.k8s.io/pause', `${depot}/registry.k8s.io/pause`)
      .replace('ghcr.io/o', `${depot}/ghcr.io/o`),
  );
  expect(renamed.size).toBe(4);
  expect(passedOver).toEqual(['{{ .Values.image }}']);
  expect((await rewrite(text)).text).toBe(text);
});

test('images of Kubernetes: only mirrored registries, or by their last part, also in JSON and by an alias', async () => {
  expect([...(await rewrite(POD, 'mirror-of=quay.io')).renamed.keys()]).toEqual([
    'quay.io/coreos/etcd:v3.5.9',
  ]);
  const { text } = await rewrite(
    '{"spec":{"containers":[{"image":"quay.io/coreos/etcd:v3"}]}}',
    'names=basename',
  );
  expect(JSON.parse(text).spec.containers[0].image).toBe('depot.example.com:8080/etcd:v3');
  const aliased = await rewrite(
    'x: &i busybox\ncontainers:\n  - image: *i\n  - image: >-\n      quay.io/a/b\n',
  );
  expect(parseYaml(aliased.text).containers).toEqual([
    { image: 'depot.example.com:8080/docker.io/library/busybox' },
    { image: 'depot.example.com:8080/quay.io/a/b' },
  ]);
  await expect(rewrite('a: [')).rejects.toThrow(/^the manifests cannot be read/);
});

test('no name of an image breaks out of its manifest', async () => {
  await fc.assert(
    fc.asyncProperty(HOSTILE, async (image) => {
      const text = JSON.stringify({ spec: { containers: [{ image, name: 'n' }] }, last: true });
      const parsed = parseYaml((await rewrite(text)).text);
      expect(parsed).toMatchObject({ spec: { containers: [{ name: 'n' }] }, last: true });
      const after: string = parsed.spec.containers[0].image;
      expect(after === image || /^depot\.example\.com:8080\/[\w./:@-]+$/.test(after)).toBe(true);
    }),
    { numRuns: RUNS },
  );
});
