import { expect, test } from '@jest/globals';
import { parseRepositoryName } from '../../../server/oci/reference.js';
import { folderName, nameWithin, plainName, remoteName } from '../../../server/registry/upstream/names.js';

test.each([
  ['docker.io', 'docker.io/alpine', 'library/alpine'],
  ['docker.io', 'docker.io/library/alpine', 'library/alpine'],
  ['docker.io', 'docker.io/coreos/etcd', 'coreos/etcd'],
  ['quay.io', 'quay.io/etcd', 'etcd'],
  ['localhost:5001', 'localhost_5001/a/b', 'a/b'],
])('%s calls our %s %s', (upstream, repository, remote) => {
  expect(remoteName(upstream, parseRepositoryName(repository))).toBe(remote);
});

test.each([
  ['quay.io', 'coreos/flannel', 'quay.io/coreos/flannel'],
  ['quay.io', 'quay.io/coreos/flannel', 'quay.io/coreos/flannel'],
  ['localhost:5001', 'a', 'localhost_5001/a'],
  ['../etc', 'a', undefined],
  ['', 'a', undefined],
  ['Quay.io', 'a', undefined],
])('within %s, %s is %s', (namespace, name, whole) => {
  expect(nameWithin(namespace, name)).toBe(whole);
});

test('only a port is a reason to change a name', () => {
  expect(folderName('quay.io')).toBe('quay.io');
  expect(['localhost:5001/a', 'a:b/c', 'a/b:1'].map(plainName)).toEqual([
    'localhost_5001/a',
    'a:b/c',
    'a/b:1',
  ]);
});
