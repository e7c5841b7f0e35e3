/** References and the names of files that are made of them (sections 1 and 2, check 1). */
import { expect, test } from '@jest/globals';
import { aciFileName } from '../../server/convert/file-names.js';
import { parseImageReference } from '../../server/convert/reference.js';

const HUB = 'registry-1.docker.io';
const DIGEST = `sha256:${'0'.repeat(64)}`;

test.each([
  ['redis', HUB, 'library/redis', 'latest', 'library-redis:latest.aci'],
  ['coreos/etcd:v2', HUB, 'coreos/etcd', 'v2', 'coreos-etcd:v2.aci'],
  ['docker.io/redis', HUB, 'library/redis', 'latest', 'library-redis:latest.aci'],
  ['index.docker.io/a/b', HUB, 'a/b', 'latest', 'a-b:latest.aci'],
  [
    'quay.io/coreos/hyperkube:v1.3.6_coreos.0',
    'quay.io',
    'coreos/hyperkube',
    'v1.3.6_coreos.0',
    'coreos-hyperkube:v1.3.6_coreos.0.aci',
  ],
  ['localhost/x', 'localhost', 'x', 'latest', 'x:latest.aci'],
  ['reg:5000/x', 'reg:5000', 'x', 'latest', 'x:latest.aci'],
  ['reg.lan:5000/t/x:1', 'reg.lan:5000', 't/x', '1', 't-x:1.aci'],
  ['team/my__app/x.y:1.2_B', HUB, 'team/my__app/x.y', '1.2_B', 'team-my__app-x.y:1.2_B.aci'],
  [`quay.io/a/b@${DIGEST}`, 'quay.io', 'a/b', undefined, 'a-b.aci'],
  [`quay.io/a/b:v1@${DIGEST}`, 'quay.io', 'a/b', undefined, 'a-b.aci'],
])('1. %s is %s, %s, %s in the file %s', (text, host, repository, tag, file) => {
  const parsed = parseImageReference(text);
  expect(parsed).toMatchObject({ host, repository, typed: text });
  expect(parsed.tag).toBe(tag);
  expect(aciFileName(parsed, 'colon')).toBe(file);
  expect(aciFileName(parsed, 'docker2aci')).toBe(file.replace(':', '-'));
});

test.each([
  ['Redis', 'NAME_INVALID'],
  ['a//b', 'NAME_INVALID'],
  ['', 'NAME_INVALID'],
  ['../x', 'NAME_INVALID'],
  ['f'.repeat(64), 'NAME_INVALID'],
  ['redis:', 'TAG_INVALID'],
  ['redis:-x', 'TAG_INVALID'],
  ['redis@sha256:0', 'DIGEST_INVALID'],
  ['redis@../../x', 'DIGEST_INVALID'],
])('1. %j is refused', (text, code) => {
  expect(() => parseImageReference(text)).toThrow(expect.objectContaining({ code }));
});

test('2. a name that no file can have is refused', () => {
  const long = parseImageReference(`a.b/${'x'.repeat(200)}:${'y'.repeat(100)}`);
  expect(() => aciFileName(long, 'colon')).toThrow('too long');
});
