/** The sources of images by the way they are written: `oci:DIR[:REF]`, `oci-archive:FILE[:REF]`, … */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { DepotError } from '../errors.js';
import { openDockerArchive } from './docker-archive.js';
import { folderFiles } from './image-files.js';
import { imageInvalid } from './image-invalid.js';
import { openOciLayout } from './oci-layout.js';
import { openNamed, openRemote, type Registries } from './open-named.js';
import type { Platform } from './platform.js';
import type { ImageReference, ImageSource } from './source.js';
import { TarFiles } from './tar-files.js';

/** What is wanted of a source. */
export interface SourceChoice {
  readonly platform: Platform | undefined;
  /** What the image is called instead of what its source says. */
  readonly reference: ImageReference | undefined;
  /** A folder for what has to be put down in between, best where the result goes; by default the system's own. */
  readonly scratch?: string | undefined;
  /** Opens the registries that names lead to, when one is needed; without it only paths are known. */
  readonly registries?: (() => Promise<Registries>) | undefined;
}

/** How an archive is read. */
type OpenArchive = (files: TarFiles, choice: SourceChoice & Place) => Promise<ImageSource>;

interface Place {
  readonly path: string;
  readonly ref?: string;
}

const REGISTRY = 'docker://';
const EXPECTED =
  'oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:REF], a path, docker://IMAGE or IMAGE';

/**
 * Opens the image that a user named; whoever has it closes it.
 *
 * @param text - `oci:`, `oci-archive:` or `docker-archive:` and a path; a path alone, whose content tells what it is;
 *   `docker://` and a name in its registry; a name alone, looked for in the depot's own
 * @throws DepotError `USAGE`: a way of writing that is not known; as {@link openOciLayout}, {@link openDockerArchive},
 *   {@link openNamed}, {@link openRemote}
 */
export async function openSource(text: string, choice: SourceChoice): Promise<ImageSource> {
  const [, scheme, rest = ''] = /^(oci|oci-archive|docker-archive):(.+)$/s.exec(text) ?? [];
  if (scheme === undefined) return openOther(text, choice);
  const place = await splitRef(rest);
  if (scheme === 'oci') return openOciLayout(folderFiles(place.path), { ...choice, ...place });
  return openArchive(place, choice, scheme === 'oci-archive' ? openOciLayout : openDockerArchive);
}

async function openOther(text: string, choice: SourceChoice): Promise<ImageSource> {
  const { platform, reference, registries, scratch = tmpdir() } = choice;
  const named = { platform, reference, scratch };
  if (text.startsWith(REGISTRY) && registries !== undefined) {
    return openRemote(text.slice(REGISTRY.length), await registries(), named);
  }
  const found = await stat(text).catch(() => undefined);
  if (found !== undefined) return openPath(text, found, choice);
  if (/^[./~]/.test(text)) throw new DepotError('NOT_FOUND', `${text} is not there`, { path: text });
  if (/^docker-daemon:|:\/\//.test(text) || registries === undefined) {
    throw new DepotError('USAGE', `expected ${EXPECTED}, got ${text}`);
  }
  return openNamed(text, await registries(), named);
}

async function openPath(path: string, found: Stats, choice: SourceChoice): Promise<ImageSource> {
  if (found.isDirectory()) return openOciLayout(folderFiles(path), choice);
  return openArchive({ path }, choice, (files, wanted) => {
    if (files.has('oci-layout') && files.has('index.json')) return openOciLayout(files, wanted);
    if (files.has('manifest.json') || files.has('repositories')) return openDockerArchive(files, wanted);
    throw imageInvalid(`${path} is an archive of something else: it has no index.json and no manifest.json`);
  });
}

async function openArchive(place: Place, choice: SourceChoice, open: OpenArchive): Promise<ImageSource> {
  const files = await TarFiles.open(place.path, choice.scratch ?? tmpdir());
  try {
    return await open(files, { ...choice, ...place });
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** A colon may stand in the name of a file; what is there as a whole has no reference. */
async function splitRef(text: string): Promise<Place> {
  for (let colon = text.length; colon > 0; colon = text.lastIndexOf(':', colon - 1)) {
    const path = text.slice(0, colon);
    const isThere = await stat(path).then(
      () => true,
      () => false,
    );
    if (isThere) return colon === text.length ? { path } : { path, ref: text.slice(colon + 1) };
  }
  return { path: text };
}
