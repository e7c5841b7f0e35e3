/** Lists of images: every kind is recognised by what it looks like. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseImageList } from '../../server/mirror/image-list.js';
import { findSet, listSets } from '../../server/mirror/sets.js';

const read = (text: string, format?: Parameters<typeof parseImageList>[2]) =>
  parseImageList(text, 'the list', format);

describe('a list is recognised', () => {
  test('lines, with comments, blanks, Windows line ends, and each image once', () => {
    const text =
      '# base\r\n\r\nquay.io/a/b:v1  # why\r\n  busybox\r\nquay.io/a/b:v1\r\nquay.io/c:>=1.30 <1.32\r\n';
    expect(read(text)).toEqual(['quay.io/a/b:v1', 'busybox', 'quay.io/c:>=1.30 <1.32']);
  });

  test('a line that is wrong does not make the others something else', () => {
    expect(read('quay.io/a:v1\nquay.io/UPPER: v1\nquay.io/b:v1\n')).toHaveLength(3);
  });

  test('skopeo sync: tags, digests, all tags, expressions and versions', () => {
    const text = `
registry.example.com:
  tls-verify: false
  images:
    busybox: []
    redis: ["1.0", "sha256:${'a'.repeat(64)}"]
  images-by-tag-regex:
    nginx: ^1\\.13\\.[12]-alpine$
quay.io:
  images-by-semver:
    alpine: ">= 3.12.0"
    tool: 1.2.x
`;
    expect(read(text)).toEqual([
      'registry.example.com/busybox:*',
      'registry.example.com/redis:1.0',
      `registry.example.com/redis@sha256:${'a'.repeat(64)}`,
      'registry.example.com/nginx:~/^1\\.13\\.[12]-alpine$/',
      'quay.io/alpine:>= 3.12.0',
      'quay.io/tool:=1.2.x',
    ]);
  });

  test('hauler: the images, and not the charts beside them', () => {
    const text = `
apiVersion: content.hauler.cattle.io/v1
kind: Images
metadata: { name: some }
spec:
  images:
    - name: ghcr.io/a/b:v1
      platform: linux/amd64
    - name: busybox
---
apiVersion: content.hauler.cattle.io/v1
kind: Charts
spec: { charts: [{ name: rancher, repoURL: "https://example.com" }] }
`;
    expect(read(text)).toEqual(['ghcr.io/a/b:v1', 'busybox']);
  });

  test('zarf: the images of all components', () => {
    const text = `
kind: ZarfPackageConfig
metadata: { name: demo }
components:
  - { name: one, images: ["nginx:1.25", "ghcr.io/a:v1"] }
  - { name: two }
`;
    expect(read(text)).toEqual(['nginx:1.25', 'ghcr.io/a:v1']);
  });

  test('kubeadm: lines, and JSON', () => {
    const images = ['registry.k8s.io/kube-apiserver:v1.31.0', 'registry.k8s.io/pause:3.10'];
    expect(read(images.join('\n'))).toEqual(images);
    const json = { kind: 'Images', apiVersion: 'output.kubeadm.k8s.io/v1alpha3', images };
    expect(read(JSON.stringify(json))).toEqual(images);
  });

  test('Kubernetes: pods in any depth of any number of documents, as a rendered chart has them', () => {
    const text = `
---
# Source: chart/templates/web.yaml
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers: [{ name: i, image: "busybox:1.36" }]
      containers:
        - name: web
          image: "quay.io/a/web@sha256:${'b'.repeat(64)}"
          env: [{ name: image, value: no/such:thing }]
---
apiVersion: v1
kind: List
items:
  - { apiVersion: v1, kind: Pod, spec: { containers: [{ image: "ghcr.io/x:v2" }], ephemeralContainers: [{ image: debug }] } }
---
apiVersion: v1
kind: ConfigMap
data: { image: nothing }
---
`;
    const images = ['busybox:1.36', `quay.io/a/web@sha256:${'b'.repeat(64)}`, 'ghcr.io/x:v2', 'debug'];
    expect(read(text).sort()).toEqual(images.sort());
  });

  test('a format that is asked for must be there, and may be lines of any name', () => {
    expect(() => read('quay.io/a:v1', 'zarf')).toThrow('the list is no list of the kind zarf');
    expect(() => read('a: [', 'set')).toThrow(/the list: /);
    expect(read('docker.io/rancher/k3s:v1\n', 'k3s')).toEqual(['docker.io/rancher/k3s:v1']);
  });
});

describe('sets', () => {
  test('the eight images of the old script come with the program', async () => {
    const sets = await listSets();
    expect(sets.map(({ name }) => name)).toContain('k8s-1.3.6');
    const { images } = await findSet('k8s-1.3.6');
    expect(images).toHaveLength(8);
    expect(images).toContain('gcr.io/google_containers/pause-amd64:3.0');
  });

  test('one of my own is a file; one that is not there, or no set, is told', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bootdepot-sets-'));
    try {
      writeFileSync(join(folder, 'mine.yaml'), 'about: ours\nimages: [busybox]\n');
      writeFileSync(join(folder, 'bad.yaml'), 'pictures: [busybox]\n');
      expect(await findSet(join(folder, 'mine.yaml'))).toEqual({
        name: 'mine',
        about: 'ours',
        images: ['busybox'],
      });
      await expect(findSet(join(folder, 'bad.yaml'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      await expect(findSet('k8s-9')).rejects.toThrow(/no set k8s-9, only k8s-1.3.6/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
