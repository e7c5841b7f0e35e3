/**
 * What was read from the manifests of images, kept in a file so that a restart does not read them again. It can be
 * removed at any time: it is made anew from the images.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileAtomically } from '../disk/atomic-file.js';
import type { FileVersion } from '../disk/file-version.js';
import type { AciIdentity } from './aci-identity.js';

/** One version of a file and what it was found to be. */
export interface RememberedAci {
  readonly version: FileVersion;
  /** Absent for what is no image. */
  readonly identity?: AciIdentity | undefined;
}

/** By file name, relative to the assets folder. */
export type AciMemory = ReadonlyMap<string, RememberedAci>;

/** A change of this form makes older files unreadable, and so the memory begins anew. */
const MEMORY = z.object({
  format: z.literal(1),
  files: z.array(
    z.tuple([
      z.string(),
      z.object({ ino: z.number(), size: z.number(), mtimeMs: z.number(), ctimeMs: z.number() }),
      z
        .object({
          image: z.string(),
          version: z.string().optional(),
          os: z.string().optional(),
          arch: z.string().optional(),
        })
        .optional(),
    ]),
  ),
});

/** Reads a memory; empty where there is none, or something else. */
export async function loadAciMemory(path: string): Promise<AciMemory> {
  const text = await readFile(path, 'utf8').catch(() => '');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return new Map();
  }
  const { success, data } = MEMORY.safeParse(json);
  return new Map(success ? data.files.map(([file, version, identity]) => [file, { version, identity }]) : []);
}

/**
 * Writes a memory. It is not synced to the disk: after a power cut the images are read again.
 *
 * @throws DepotError as {@link writeFileAtomically}
 */
export async function saveAciMemory(path: string, memory: AciMemory): Promise<void> {
  const files = [...memory].map(
    ([
      file,
      {
        version: { ino, size, mtimeMs, ctimeMs },
        identity,
      },
    ]) => {
      const version = { ino, size, mtimeMs, ctimeMs };
      return identity === undefined ? [file, version] : [file, version, identity];
    },
  );
  await writeFileAtomically(path, JSON.stringify({ format: 1, files }), { durable: false });
}
