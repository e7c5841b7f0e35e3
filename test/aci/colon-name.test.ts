import { expect, test } from '@jest/globals';
import { colonNameOf } from '../../server/aci/colon-name.js';
import { readImageManifest } from '../../server/aci/image-manifest.js';
import { aciManifest } from '../fixtures/aci.js';

function nameOf(name: string, version?: string): string {
  const spec = version === undefined ? { name } : { name, version };
  const { manifest, problems } = readImageManifest(Buffer.from(JSON.stringify(aciManifest(spec))));
  if (manifest === undefined) throw new Error(problems.join());
  return colonNameOf(manifest);
}

test.each([
  ['quay.io/coreos/hyperkube', 'v1.3.6_coreos.0', 'coreos-hyperkube:v1.3.6_coreos.0.aci'],
  ['registry-1.docker.io/library/redis', '3', 'library-redis:3.aci'],
  ['reg.lan_5000/team/sub/app', 'v1', 'team-sub-app:v1.aci'],
  ['localhost/app', 'v1', 'app:v1.aci'],
  ['example.com', 'v1', 'example.com:v1.aci'],
  ['redis', '3', 'redis:3.aci'],
  ['coreos/etcd', 'v2.3.7', 'coreos-etcd:v2.3.7.aci'],
  ['example.com//app', 'v1', 'app:v1.aci'],
  ['example.com/app', 'feature/x\\y', 'app:feature-x-y.aci'],
  ['example.com/app', '../../etc', 'app:..-..-etc.aci'],
  ['example.com/app', 'a\n\u0000\u202eb', 'app:a---b.aci'],
  ['example.com/app', 'größe 1', 'app:größe 1.aci'],
  ['example.com/app', '', 'app.aci'],
])('%s in version %j is called %s', (name, version, expected) => {
  expect(nameOf(name, version)).toBe(expected);
});

test('without a version there is no colon', () => {
  expect(nameOf('quay.io/coreos/etcd')).toBe('coreos-etcd.aci');
});

test('a name for which a file has no room is refused, its signature counted', () => {
  expect(nameOf('a.b/c', 'v'.repeat(245))).toHaveLength(251);
  expect(() => nameOf('a.b/c', 'v'.repeat(246))).toThrow(expect.objectContaining({ code: 'ACI_INVALID' }));
  expect(() => nameOf('a.b/c', 'ü'.repeat(125))).toThrow('too long');
});
