import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { isBootFile, isBootName } from '../../server/assets/boot-file.js';

const folder = mkdtempSync(join(tmpdir(), 'bootdepot-boot-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  'vmlinuz',
  'vmlinuz:v1',
  'vmlinuz-6.1.0-18-amd64',
  'coreos_production_pxe.vmlinuz',
  'coreos_production_pxe_image.cpio.gz',
  'flatcar_production_image.bin.bz2',
  'fedora-coreos-39-live-rootfs.x86_64.img',
  'initrd.gz',
  'initramfs-linux.img',
  'bzImage',
  'debian-12.iso',
  'disk.raw.xz',
  'grubx64.efi',
  'undionly.kpxe',
  'boot.ipxe',
])('%s is a boot file by its name', (name) => expect(isBootName(name)).toBe(true));

test.each(['vmlinuz.sha256', 'initrd.img.txt', 'a.iso.asc', 'hyperkube:v1.aci', 'SHA256SUMS', 'readme.md'])(
  '%s is not',
  (name) => expect(isBootName(name)).not.toBe(true),
);

function at(offset: number, bytes: string | Buffer, size = 40_000): Buffer {
  const content = Buffer.alloc(size);
  Buffer.from(bytes).copy(content, offset);
  return content;
}

test.each<[string, Buffer, boolean]>([
  ['linux', at(0x202, 'HdrS'), true],
  ['kernel', at(0x38, 'ARM\x64'), true],
  ['first', Buffer.from('070701'), true],
  ['cd', at(0x8001, 'CD001'), true],
  ['menu', Buffer.from('#!ipxe\nshell\n'), true],
  ['notes', Buffer.from('a kernel, they say'), false],
  ['nothing', Buffer.alloc(0), false],
])('a file named %s is judged by its content', async (name, content, expected) => {
  writeFileSync(join(folder, name), content);
  expect(await isBootFile(join(folder, name))).toBe(expected);
});
