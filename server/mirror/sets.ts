/** Sets: lists of images that belong together, each a YAML file that anybody can add. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { DepotError, fileError, isMissing } from '../errors.js';

/** A set. */
export interface ImageSet {
  readonly name: string;
  readonly about: string;
  /** As lines of a list. */
  readonly images: readonly string[];
}

const SET = z.strictObject({ about: z.string().default(''), images: z.array(z.string()).min(1) });
const ENDING = '.yaml';

/** The built program and its source lie at different depths. */
const FOLDERS = ['../../sets', '../../../sets'].map((path) => fileURLToPath(new URL(path, import.meta.url)));

/**
 * The sets that come with the program, by their names.
 *
 * @param folders - where to look; the first that is there counts
 * @throws DepotError `CONFIG_INVALID`: a file that is no set
 */
export async function listSets(folders: readonly string[] = FOLDERS): Promise<ImageSet[]> {
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => undefined);
    const files = names?.filter((name) => name.endsWith(ENDING)).sort();
    if (files !== undefined) return Promise.all(files.map((name) => readSetFile(join(folder, name))));
  }
  return [];
}

/**
 * Finds a set.
 *
 * @param name - of a set that comes with the program, or the path of a file, which has a slash or ends in `.yaml`
 * @throws DepotError `USAGE`: there is no such set; `CONFIG_INVALID`: the file is no set
 */
export async function findSet(name: string): Promise<ImageSet> {
  if (name.includes('/') || name.endsWith(ENDING)) return readSetFile(name);
  const sets = await listSets();
  const found = sets.find((set) => set.name === name);
  if (found !== undefined) return found;
  const known = sets.map((set) => set.name).join(', ');
  throw new DepotError('USAGE', `--set: there is no set ${name}, only ${known}, or the path of a YAML file`);
}

async function readSetFile(path: string): Promise<ImageSet> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw isMissing(error)
      ? new DepotError('USAGE', `--set: ${path} does not exist`)
      : fileError(error, path);
  });
  let raw: unknown;
  try {
    raw = parse(text);
  } catch {
    raw = undefined;
  }
  const parsed = SET.safeParse(raw);
  if (!parsed.success) {
    throw new DepotError('CONFIG_INVALID', `${path}: expected a YAML file with about: and images:`, { path });
  }
  return { name: basename(path, ENDING), ...parsed.data };
}
