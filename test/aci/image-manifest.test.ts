import { expect, test } from '@jest/globals';
import { readImageManifest } from '../../server/aci/image-manifest.js';

const read = (value: unknown) => readImageManifest(Buffer.from(JSON.stringify(value)));
const SMALLEST = { acKind: 'ImageManifest', acVersion: '0.8.11', name: 'a' };

test('a small manifest comes with its lists empty', () => {
  expect(read(SMALLEST)).toEqual({
    json: SMALLEST,
    problems: [],
    manifest: { ...SMALLEST, labels: [], annotations: [], dependencies: [], pathWhitelist: [] },
  });
});

test('what is said is kept, what is unknown is only in the JSON', () => {
  const app = {
    exec: ['/bin/app', '-v'],
    user: '0',
    group: 'adm',
    workingDirectory: '/srv',
    environment: [{ name: 'A', value: 'b' }],
    ports: [{ name: 'web', protocol: 'tcp', port: 80 }],
    isolators: [{ name: 'resource/memory', value: { limit: '1Gi' } }],
  };
  const value = { ...SMALLEST, labels: [{ name: 'version', value: 'v1' }], app, extra: { x: 1 } };
  const { manifest, json } = read(value);
  expect(json).toEqual(value);
  expect(manifest).not.toHaveProperty('extra');
  expect(manifest?.labels).toEqual([{ name: 'version', value: 'v1' }]);
  expect(manifest?.app).toMatchObject({ ...app, ports: [{ port: 80, count: 0, socketActivated: false }] });
  expect(manifest?.app?.mountPoints).toEqual([]);
});

test('all problems are told, each with its place', () => {
  const { manifest, problems } = read({
    acKind: 'PodManifest',
    acVersion: '1',
    name: 'A',
    labels: [{ name: 'os', value: 'plan9' }],
    app: { user: '', exec: 7, ports: [{ name: 'web', protocol: 'tcp', port: 0 }] },
    pathWhitelist: [1],
  });
  expect(manifest).toBeUndefined();
  expect(problems).toEqual([
    'acKind: is "PodManifest", expected "ImageManifest"',
    'acVersion: expected a version such as 0.8.11',
    'name: is "A", expected an AC identifier: a-z, 0-9 and, inside, - . _ ~ /',
    'labels: the os is "plan9", expected one of linux, freebsd, darwin',
    'app.exec: is a number, expected an array',
    'app.user: is empty, expected a name or a number as text',
    'app.group: is missing, expected a string',
    'app.ports[0].port: expected 1 to 65535',
    'pathWhitelist[0]: is a number, expected a string',
  ]);
});

test('a list without end costs one line', () => {
  const zeros = `{"acKind":"ImageManifest","acVersion":"0.8.11","name":"a","labels":[${'0,'.repeat(500_000)}0]}`;
  expect(readImageManifest(Buffer.from(zeros)).problems).toEqual([
    'labels: has 500001 items, expected at most 100000',
  ]);
});

test('JSON that is nested without end is not parsed, brackets in texts do not count', () => {
  for (const deep of [
    '['.repeat(1_000_000),
    '{"a":'.repeat(200_000),
    `[${'[],'.repeat(9)}${'['.repeat(501)}`,
  ]) {
    expect(readImageManifest(Buffer.from(deep)).problems).toEqual([
      'its JSON is nested deeper than 500 levels',
    ]);
  }
  const text = JSON.stringify({ ...SMALLEST, x: `\\"${'[{"'.repeat(1000)}` });
  expect(readImageManifest(Buffer.from(text)).problems).toEqual([]);
});

test('texts of megabytes are judged at once', () => {
  const long = 'a'.repeat(4_000_000);
  const limit = { name: 'resource/cpu', value: { limit: `${'1'.repeat(4_000_000)}x` } };
  expect(read({ ...SMALLEST, name: `${long}A` }).problems).toHaveLength(1);
  expect(read({ ...SMALLEST, acVersion: `1.2.3-${long}_` }).problems).toHaveLength(1);
  expect(read({ ...SMALLEST, app: { user: '0', group: '0', isolators: [limit] } }).problems).toHaveLength(1);
});

test('names of JavaScript are no fields of ours', () => {
  const text = '{"__proto__":{"name":"x"},"acKind":"ImageManifest","acVersion":"0.8.11","labels":null}';
  expect(readImageManifest(Buffer.from(text)).problems).toEqual(['name: is missing, expected a string']);
});
