/** A mirror as a person asks for it: lists, sets and names in, a report out. */
import type { Platform } from '../convert/platform.js';
import { DepotError } from '../errors.js';
import { NamedSources } from '../registry/upstream/named-sources.js';
import { isListFormat, LIST_FORMATS, parseImageList } from './image-list.js';
import { type MirrorReport, type MirrorWatch, mirrorImages } from './mirror.js';
import { type DestinationParts, openDestination } from './open-destination.js';
import { MIRROR_TIMING } from './origin.js';
import type { TagChoice } from './plan.js';
import { parseRename } from './rename.js';
import { findSet } from './sets.js';

/** The text of a list. */
export interface ListText {
  /** Where it came from, for messages. */
  readonly name: string;
  readonly text: string;
}

/** What is to be mirrored. */
export interface MirrorJob extends TagChoice, Omit<DestinationParts, 'timing' | 'insecure'> {
  /** Images that were named one by one. */
  readonly images: readonly string[];
  readonly lists: readonly ListText[];
  /** Of all lists; `undefined`: as they look. */
  readonly listFormat: string | undefined;
  readonly sets: readonly string[];
  /** As `openDestination` reads it. */
  readonly to: string | undefined;
  /** As `parseRename` reads them. */
  readonly rename: readonly string[];
  /** `undefined`: all. */
  readonly platforms: readonly Platform[] | undefined;
  readonly insecureHosts: readonly string[];
  readonly referrers: boolean;
  readonly prune: 'no' | 'show' | 'remove';
  readonly dryRun: boolean;
  readonly watch: MirrorWatch;
  /** What is to be other than usual. */
  readonly timing?: DestinationParts['timing'] | undefined;
}

/**
 * Mirrors.
 *
 * @throws DepotError `USAGE`: what is asked for makes no sense, and nothing was copied; `INTERRUPTED`; as `openDestination`
 */
export async function runMirror(job: MirrorJob): Promise<MirrorReport> {
  const lines = await linesOf(job);
  const rename = parseRename(job.rename);
  const insecure = (host: string): boolean => job.insecureHosts.includes(host);
  const timing = { ...MIRROR_TIMING, ...job.timing };
  const { destination, close } = await openDestination(job.to, { ...job, insecure, timing });
  const sources = new NamedSources({ config: job.config.registry, insecure, env: job.env, timing });
  try {
    return await mirrorImages({ ...job, lines, sources, destination, rename, choice: job });
  } finally {
    await sources.close();
    await close();
  }
}

async function linesOf({ images, lists, listFormat, sets }: MirrorJob): Promise<string[]> {
  if (listFormat !== undefined && !isListFormat(listFormat)) {
    throw new DepotError(
      'USAGE',
      `--list-format: expected one of ${LIST_FORMATS.join(', ')}, got ${listFormat}`,
    );
  }
  const listed = lists.flatMap(({ name, text }) => parseImageList(text, name, listFormat));
  const found = await Promise.all(sets.map(findSet));
  const lines = [...new Set([...images, ...listed, ...found.flatMap((set) => set.images)])];
  if (lines.length === 0)
    throw new DepotError('USAGE', 'no images: name some, or a list with --from, or a --set');
  return lines;
}
