/**
 * What was read from the manifests of images, kept in a file so that a restart does not read them again: a line of JSON
 * for each. It can be removed at any time: it is made anew from the images.
 */
import { readFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
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

const LINE = z.tuple([
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
]);

/** Between so many lines other work has its turn. */
const LINES_AT_ONCE = 256;

/** Reads a memory. A line that is something else is passed over, and a file that cannot be read is empty. */
export async function loadAciMemory(path: string): Promise<AciMemory> {
  const memory = new Map<string, RememberedAci>();
  const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n');
  for (const [index, line] of lines.entries()) {
    if (index % LINES_AT_ONCE === 0) await nextTurn();
    const { success, data } = LINE.safeParse(parseJson(line));
    if (success) memory.set(data[0], { version: data[1], identity: data[2] });
  }
  return memory;
}

/**
 * Writes a memory. It is not synced to the disk: after a power cut the images are read again.
 *
 * @throws DepotError as {@link writeFileAtomically}
 */
export async function saveAciMemory(path: string, memory: AciMemory): Promise<void> {
  await writeFileAtomically(path, chunksOf(memory), { durable: false });
}

async function* chunksOf(memory: AciMemory): AsyncGenerator<Buffer> {
  let lines: string[] = [];
  for (const [file, { version, identity }] of memory) {
    const { ino, size, mtimeMs, ctimeMs } = version;
    const line = [file, { ino, size, mtimeMs, ctimeMs }, ...(identity === undefined ? [] : [identity])];
    lines.push(JSON.stringify(line));
    if (lines.length < LINES_AT_ONCE) continue;
    yield Buffer.from(`${lines.join('\n')}\n`);
    lines = [];
  }
  yield Buffer.from(lines.join('\n'));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
