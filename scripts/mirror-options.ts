/** What `mirror` reads from its flags. */
import { readFile } from 'node:fs/promises';
import { text as readText } from 'node:stream/consumers';
import {
  DepotError,
  fileError,
  type ListText,
  type MirrorJob,
  parseDuration,
  parsePlatform,
} from '../server/index.js';

/** The flags as commander hands them over. */
export interface MirrorFlags {
  readonly from?: readonly string[];
  readonly listFormat?: string;
  readonly set?: readonly string[];
  readonly sets?: true;
  readonly files?: readonly string[];
  readonly to?: string;
  readonly platform: string;
  readonly rename?: readonly string[];
  readonly newest?: string;
  readonly since?: string;
  readonly referrers?: true;
  readonly prune?: true;
  readonly yes?: true;
  readonly dryRun?: true;
  readonly insecureRegistry?: readonly string[];
  readonly failed?: string;
  readonly watch?: string;
  readonly data?: string;
  readonly assets?: string;
  readonly config?: string;
  readonly json?: true;
}

/** What the flags come to, but for what is read anew each time. */
export type MirrorWishes = Pick<
  MirrorJob,
  | 'listFormat'
  | 'sets'
  | 'to'
  | 'rename'
  | 'platforms'
  | 'newest'
  | 'insecureHosts'
  | 'referrers'
  | 'prune'
  | 'dryRun'
> & {
  /** Milliseconds between two runs. */
  readonly every: number | undefined;
};

/** @throws DepotError `USAGE` */
export function parseMirrorFlags(flags: MirrorFlags): MirrorWishes {
  const every = flags.watch === undefined ? undefined : parseDuration(flags.watch);
  if (flags.watch !== undefined && every === undefined) {
    throw new DepotError('USAGE', `--watch: expected a duration such as 6h, got ${flags.watch}`);
  }
  if (every !== undefined && flags.from?.includes('-')) {
    throw new DepotError(
      'USAGE',
      '--watch reads its list anew each time: expected a file, not standard input',
    );
  }
  if (flags.yes && !flags.prune) throw new DepotError('USAGE', '--yes: expected --prune beside it');
  return {
    listFormat: flags.listFormat,
    sets: flags.set ?? [],
    to: flags.to,
    rename: flags.rename ?? [],
    platforms: flags.platform === 'all' ? undefined : flags.platform.split(',').map(parsePlatform),
    newest: parseCount(flags.newest),
    insecureHosts: flags.insecureRegistry ?? [],
    referrers: flags.referrers === true,
    prune: flags.prune ? (flags.yes ? 'remove' : 'show') : 'no',
    dryRun: flags.dryRun === true,
    every,
  };
}

function parseCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new DepotError('USAGE', `--newest: expected a number, got ${text}`);
}

/**
 * Reads a date, or a duration before now.
 *
 * @returns milliseconds since 1970
 * @throws DepotError `USAGE`
 */
export function parseSince(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const before = parseDuration(text);
  const time = before === undefined ? Date.parse(text) : now - before;
  if (!Number.isNaN(time)) return time;
  throw new DepotError(
    'USAGE',
    `--since: expected a date such as 2026-01-31, or a duration such as 30d, got ${text}`,
  );
}

/**
 * Reads lists.
 *
 * @param paths - `-` is standard input
 * @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function readLists(paths: readonly string[]): Promise<ListText[]> {
  const lists: ListText[] = [];
  for (const path of paths) {
    if (path === '-') lists.push({ name: 'standard input', text: await readText(process.stdin) });
    else lists.push({ name: path, text: await readFileText(path) });
  }
  return lists;
}

/** @throws DepotError `NOT_FOUND`, `ACCESS_DENIED`, `IO_FAILED` */
export async function readFileText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw fileError(error, path);
  });
}
