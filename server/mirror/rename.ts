/** What mirrored repositories are called at the destination. */
import { DepotError } from '../errors.js';
import { parseRepositoryName, type RepositoryName } from '../oci/reference.js';
import { folderName } from '../registry/upstream/names.js';
import type { SourceName } from './wanted.js';

/** Names a repository. @throws DepotError `NAME_INVALID` */
export type Rename = (source: SourceName) => RepositoryName;

type Rule = (kept: string) => string | undefined;

/**
 * Reads rules; the first that fits a name counts. `keep` (which is the last resort, too) keeps `quay.io/coreos/hyperkube`,
 * with a port joined by `_`; `basename` makes it `hyperkube`; `quay.io/*=mirror/$1` is a pattern for what `keep` gives, where
 * `*` stands for one part of a name, `**` for any number, and `$1` for what the first of them stood for.
 *
 * @throws DepotError `USAGE`
 */
export function parseRename(texts: readonly string[]): Rename {
  const rules = texts.map(parseRule);
  return ({ host, repository }) => {
    const kept = `${folderName(host)}/${repository}`;
    for (const rule of rules) {
      const name = rule(kept);
      if (name !== undefined) return parseRepositoryName(name);
    }
    return parseRepositoryName(kept);
  };
}

function parseRule(text: string): Rule {
  if (text === 'keep') return (kept) => kept;
  if (text === 'basename') return (kept) => kept.slice(kept.lastIndexOf('/') + 1);
  const [pattern = '', target, ...more] = text.split('=');
  if (pattern === '' || target === undefined || target === '' || more.length > 0) {
    throw new DepotError('USAGE', `--rename: expected keep, basename or PATTERN=NAME, got ${text}`);
  }
  const expression = new RegExp(
    `^${pattern
      .split(/(\*\*|\*)/)
      .map(pieceOf)
      .join('')}$`,
  );
  return (kept) => {
    const found = expression.exec(kept);
    return found === null ? undefined : target.replace(/\$(\d)/g, (_, index) => found[Number(index)] ?? '');
  };
}

function pieceOf(text: string): string {
  if (text === '**') return '(.*)';
  if (text === '*') return '([^/]*)';
  return text.replace(/[\\^$.|?+()[\]{}]/g, '\\$&');
}

/** Something that will have a name at the destination. */
export interface Named {
  /** What it is now. */
  readonly source: string;
  /** What it will be: repository and tag. */
  readonly target: string;
}

/**
 * Refuses names that two different sources would have: one would hide the other.
 *
 * @throws DepotError `USAGE`: with all of them
 */
export function refuseCollisions(all: Iterable<Named>): void {
  const sources = new Map<string, Set<string>>();
  for (const { source, target } of all) sources.set(target, (sources.get(target) ?? new Set()).add(source));
  const clashes = [...sources].filter(([, names]) => names.size > 1);
  if (clashes.length === 0) return;
  const told = clashes.map(([target, names]) => `${[...names].join(' and ')} would both be ${target}`);
  throw new DepotError('USAGE', `${told.join('; ')}: choose other names with --rename`);
}
