/** Noticing that something changed below folders. */
import type { Stats } from 'node:fs';
import { isTemporaryName } from '../disk/atomic-file.js';

/** Something that watches. */
export interface FolderWatch {
  stop(): Promise<void>;
}

/** What to watch, and who is told. */
export interface WatchOptions {
  /** Files and folders. */
  readonly paths: readonly string[];
  /** Whether a file matters; others are not even watched. */
  readonly matters: (path: string) => boolean;
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

/** Begins to watch. Says that something changed, not what: whoever is told looks for himself. */
export async function watchFolders(options: WatchOptions): Promise<FolderWatch> {
  const { watch } = await import('chokidar');
  const watcher = watch([...options.paths], {
    ignoreInitial: true,
    ignored: (path: string, stats?: Stats) =>
      isTemporaryName(path) || (stats?.isFile() === true && !options.matters(path)),
  });
  watcher.on('all', options.onChange);
  // What came while the watches were being set up was seen by none of them.
  watcher.on('ready', options.onChange);
  watcher.on('error', options.onError);
  return { stop: () => watcher.close() };
}
