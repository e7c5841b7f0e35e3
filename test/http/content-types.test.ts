import { expect, test } from '@jest/globals';
import { contentTypeOf, isActive } from '../../server/http/content-types.js';

const BYTES = 'application/octet-stream';

test.each([
  ['coreos-hyperkube:v1.3.6_coreos.0.aci', BYTES],
  ['coreos-hyperkube:v1.3.6_coreos.0.aci.asc', 'application/pgp-signature'],
  ['vmlinuz.sig', 'application/pgp-signature'],
  ['SHA256SUMS', 'text/plain; charset=utf-8'],
  ['SHA256SUMS.gpg', BYTES],
  ['boot.ipxe', 'text/plain; charset=utf-8'],
  ['boot:v2.ipxe', 'text/plain; charset=utf-8'],
  ['worker.ign', 'application/vnd.coreos.ignition+json'],
  ['pubkey.gpg', BYTES],
  ['vmlinuz', BYTES],
  ['json', BYTES],
  ['vmlinuz:v1.3.6', BYTES],
  ['initrd:v1.0.123', BYTES],
  ['vmlinuz-6.1.0-18-amd64', BYTES],
  ['hyperkube:v1.3.6_coreos.0', BYTES],
  ['with.dots/vmlinuz', BYTES],
  ['image.iso', 'application/x-iso9660-image'],
  ['rootfs.tar.gz', 'application/gzip'],
  ['initrd.cpio.xz', 'application/x-xz'],
  ['modloop.img', BYTES],
  ['config.json', 'application/json; charset=utf-8'],
  ['README.TXT', 'text/plain; charset=utf-8'],
  ['index.html', 'text/html; charset=utf-8'],
])('%s is %s', (name, type) => {
  expect(contentTypeOf(name)).toBe(type);
});

test('types that browsers run scripts of are known', () => {
  expect(['a.html', 'a.svg', 'a.xml', 'a.xhtml'].map(contentTypeOf).map(isActive)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(['a.txt', 'a.aci', 'a.json', 'a.ign'].map(contentTypeOf).some(isActive)).toBe(false);
});
