/**
 * Which files machines boot: kernels, initial file systems, disk and CD images, boot loaders and their scripts.
 * The name decides where it is a usual one; where it says nothing (`linux`, `kernel-6.1`) the first bytes do.
 */
import { type FileHandle, realpath } from 'node:fs/promises';
import { openRegularFile } from '../disk/safe-path.js';
import { fileError } from '../errors.js';

/** Usual names; a compression ending is cut off before the second is compared. */
const BOOT_PREFIX = /^(?:vmlinu[xz]|b?zImage|uImage|initrd|initramfs)/i;
const BOOT_ENDING =
  /\.(?:vmlinuz|initrd|cpio|img|iso|raw|qcow2|vmdk|vhdx?|wim|squashfs|dtb|itb|efi|uki|ipxe|k?pxe|lkrn)$/i;
const COMPRESSED_IMAGE = /\.bin\.(?:gz|xz|zst|bz2|lz4|lzma)$/i;
const COMPRESSION = /\.(?:gz|xz|zst|bz2|lz4|lzma)$/i;

/** Texts about a boot file, such as its checksum or its licence, are often named after it. */
const NOT_BOOT_ENDING =
  /\.(?:aci|txt|md|html?|json|ya?ml|log|manifest|md5|sha\d+|md5sums?|sha\d+sums?|asc|sig|gpg|p7s|pem|crt|key)$/i;

/** Where a format says what it is. */
const MAGIC: readonly { readonly offset: number; readonly bytes: Buffer }[] = [
  { offset: 0x202, bytes: Buffer.from('HdrS') }, // x86 Linux: Documentation/arch/x86/boot.rst
  { offset: 0x38, bytes: Buffer.from('ARM\x64') }, // arm64 Linux: Documentation/arch/arm64/booting.rst
  { offset: 0x38, bytes: Buffer.from('RSC\x05') }, // RISC-V Linux: Documentation/arch/riscv/boot-image-header.rst
  { offset: 0, bytes: Buffer.from('070701') }, // cpio archive, as the kernel reads it
  { offset: 0, bytes: Buffer.from([0x27, 0x05, 0x19, 0x56]) }, // U-Boot legacy image
  { offset: 0, bytes: Buffer.from([0xd0, 0x0d, 0xfe, 0xed]) }, // device tree and FIT image
  { offset: 0, bytes: Buffer.from('hsqs') }, // squashfs
  { offset: 0, bytes: Buffer.from('#!ipxe') },
  { offset: 0x8001, bytes: Buffer.from('CD001') }, // ISO 9660
];

/** Enough to see every magic number. */
const HEAD_BYTES = 0x8006;

/**
 * Whether a file is one that machines boot.
 *
 * @param path - of a regular file; links are followed
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, `BUSY`, `IO_FAILED`
 */
export async function isBootFile(path: string): Promise<boolean> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const told = isBootName(name);
  if (told !== undefined) return told;
  let handle: FileHandle | undefined;
  try {
    handle = (await openRegularFile(await realpath(path))).handle;
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0);
    return hasBootMagic(head.subarray(0, bytesRead));
  } catch (error) {
    throw fileError(error, path);
  } finally {
    await handle?.close();
  }
}

/**
 * What the name alone tells.
 *
 * @param name - without its folder
 * @returns `undefined` if it tells nothing
 */
export function isBootName(name: string): boolean | undefined {
  if (NOT_BOOT_ENDING.test(name)) return false;
  if (BOOT_PREFIX.test(name) || COMPRESSED_IMAGE.test(name)) return true;
  return BOOT_ENDING.test(name.replace(COMPRESSION, '')) ? true : undefined;
}

/**
 * Whether a file begins as a kernel, an initial file system or an image does.
 *
 * @param head - its first 32,774 bytes, or all of a shorter one
 */
export function hasBootMagic(head: Buffer): boolean {
  return MAGIC.some(({ offset, bytes }) => head.subarray(offset, offset + bytes.length).equals(bytes));
}
