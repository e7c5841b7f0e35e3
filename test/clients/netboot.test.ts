/**
 * A machine boots from the depot: QEMU without KVM, Debian's iPXE card firmware, a script from `/assets`, a kernel
 * by its colon name and two initrds. The booted system prints what it received on the serial line.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { describeWith } from './programs.js';

const BOOT_LIMIT_MS = 170_000;

const SCRIPT = `#!ipxe
kernel vmlinuz%3Av1 console=ttyS0 quiet panic=1 || exit
initrd initrd%3Av1 || exit
initrd second@lab.bin in/second || exit
initrd vmlinuz%3Av1 in/kernel || exit
initrd initrd%3Av1 in/first || exit
boot
`;

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1 </dev/ttyS0
cd /in && /bin/busybox sha256sum *
echo NETBOOT-DONE
/bin/busybox poweroff -f
`;

/** The kernel to boot: named by `NETBOOT_TEST_KERNEL`, else the newest below `/boot`. */
function testKernel(): string | undefined {
  const named = process.env.NETBOOT_TEST_KERNEL;
  if (named !== undefined) return named;
  const found = (existsSync('/boot') ? readdirSync('/boot') : []).filter((name) =>
    name.startsWith('vmlinuz-'),
  );
  const newest = found.sort().at(-1);
  return newest === undefined ? undefined : join('/boot', newest);
}

function buildInitrd(folder: string, target: string): void {
  for (const name of ['bin', 'in', 'dev']) mkdirSync(join(folder, name), { recursive: true });
  copyFileSync('/bin/busybox', join(folder, 'bin/busybox'));
  writeFileSync(join(folder, 'init'), INIT, { mode: 0o755 });
  execFileSync('sh', ['-c', 'find . | cpio -o -H newc --quiet | gzip -1 >"$0"', target], { cwd: folder });
}

async function bootOver(port: number, serial: string): Promise<string> {
  const qemu = spawn(
    'qemu-system-x86_64',
    [
      ...['-machine', 'pc,accel=tcg', '-m', '512', '-display', 'none', '-no-reboot'],
      ...['-serial', `file:${serial}`, '-boot', 'n', '-device', 'virtio-net-pci,netdev=n0'],
      ...['-netdev', `user,id=n0,bootfile=http://10.0.2.2:${port}/assets/boot/lab.ipxe`],
    ],
    { stdio: 'ignore' },
  );
  const limit = setTimeout(() => qemu.kill('SIGKILL'), BOOT_LIMIT_MS);
  await once(qemu, 'exit');
  clearTimeout(limit);
  return readFileSync(serial, 'latin1');
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

const kernel = testKernel();
const needs = [
  'qemu-system-x86_64',
  'cpio',
  'busybox',
  { name: 'a kernel named by NETBOOT_TEST_KERNEL', present: kernel !== undefined },
];

describeWith(needs, 'a netboot', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bootdepot-netboot-'));
  const boot = join(folder, 'assets/boot');
  let depot: RunningDepot;

  beforeAll(async () => {
    mkdirSync(boot, { recursive: true });
    copyFileSync(kernel ?? '', join(boot, 'vmlinuz:v1'));
    writeFileSync(join(boot, 'second@lab.bin'), randomBytes(3_000_000));
    writeFileSync(join(boot, 'lab.ipxe'), SCRIPT);
    buildInitrd(join(folder, 'root'), join(boot, 'initrd:v1'));
    depot = await startDepot(['--assets', join(folder, 'assets'), '--keys', join(folder, 'keys')]);
  });

  afterAll(async () => {
    await depot?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    'loads a kernel by its colon name and two initrds, every byte as it is on the disk',
    async () => {
      const serial = await bootOver(depot.port, join(folder, 'serial.log'));
      const printed = new Map(
        [...serial.matchAll(/([0-9a-f]{64}) {2}(\w+)/g)].map((match) => [match[2], match[1]]),
      );
      expect(Object.fromEntries(printed)).toEqual({
        first: sha256(join(boot, 'initrd:v1')),
        kernel: sha256(join(boot, 'vmlinuz:v1')),
        second: sha256(join(boot, 'second@lab.bin')),
      });
      expect(serial).toContain('NETBOOT-DONE');
    },
    BOOT_LIMIT_MS + 10_000,
  );
});
