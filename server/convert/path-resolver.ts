/** Finding paths in the tree as a kernel would in a root directory: links on the way are followed and never lead out. */
import { shown } from './entry-path.js';
import { type FileTree, type Node, ROOT } from './file-tree.js';
import { imageInvalid } from './image-invalid.js';
import { IMPLIED_DIRECTORY, type RecordTable } from './record-table.js';

/** Symbolic links that are followed for one path, as Linux does. */
const MOST_LINKS = 40;

/** Parts of targets that are gone through in a layer for each entry of it, with some for a layer of few. */
const LINK_STEPS_AN_ENTRY = 64;
const FEW_ENTRIES = 10_000;

/** A directory on the way; one that is not there yet has no node. */
interface Step {
  readonly node: Node;
  readonly name: string;
}

/** Finds nodes. The last directory is remembered: most entries lie in the one of their predecessor. */
export class PathResolver {
  readonly #tree: FileTree;
  readonly #records: RecordTable;
  #knownPath = '';
  #known: Node = ROOT;
  #linkSteps = 0;
  #mostLinkSteps = FEW_ENTRIES * LINK_STEPS_AN_ENTRY;

  constructor(tree: FileTree, records: RecordTable) {
    this.#tree = tree;
    this.#records = records;
  }

  /** Says how many entries there are whose paths will be looked up: links may make few bytes a lot of work. */
  expect(entries: number): void {
    this.#mostLinkSteps = Math.max(entries, FEW_ENTRIES) * LINK_STEPS_AN_ENTRY;
  }

  /** Drops what is remembered; to be called when a name is taken out of the tree. */
  forget(): void {
    this.#knownPath = '';
    this.#known = ROOT;
  }

  /** @returns the node of a path, 0 if there is none; a link at its end is not followed */
  lookUp(path: string): Node {
    if (path === '') return ROOT;
    const slash = path.lastIndexOf('/');
    const parent = this.directoryAt(path.slice(0, Math.max(slash, 0)));
    return parent === 0 ? 0 : this.#tree.find(parent, path.slice(slash + 1));
  }

  /** @returns the directory that a path leads to, links at its end followed; 0 if there is none */
  directoryAt(path: string): Node {
    if (path === this.#knownPath) return this.#known;
    const steps = this.#walk(path);
    const last = steps?.at(-1);
    return steps === undefined ? 0 : last === undefined ? ROOT : last.node;
  }

  /**
   * Finds the directory of a path, and makes what is missing of it.
   *
   * @throws DepotError `IMAGE_INVALID`: something else than a directory is in the way; links without measure
   */
  makeDirectory(path: string): Node {
    if (path === this.#knownPath) return this.#known;
    const steps = this.#walk(path);
    if (steps === undefined) throw imageInvalid(`entries below ${shown(path)}, which is not a directory`);
    let directory: Node = ROOT;
    for (const { node, name } of steps) {
      directory = node === 0 ? this.#tree.add(directory, name, IMPLIED_DIRECTORY) : node;
    }
    this.#knownPath = path;
    this.#known = directory;
    return directory;
  }

  /** @returns the directories from the root down; `undefined` if the path leads through something else */
  #walk(path: string): Step[] | undefined {
    const rest = partsOf(path);
    const steps: Step[] = [];
    let links = 0;
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === '..') {
        steps.pop();
        continue;
      }
      const node = this.#childOf(steps.at(-1), name);
      const kind = node === 0 ? 'directory' : this.#records.kindOf(this.#tree.recordOf(node));
      if (kind === 'directory') {
        steps.push({ node, name });
        continue;
      }
      links += 1;
      if (kind !== 'symlink' || links > MOST_LINKS) return undefined;
      const target = this.#records.targetOf(this.#tree.recordOf(node));
      if (target.startsWith('/')) steps.length = 0;
      const parts = partsOf(target);
      this.#spendSteps(parts.length);
      rest.push(...parts);
    }
    return steps;
  }

  #spendSteps(count: number): void {
    this.#linkSteps += count;
    if (this.#linkSteps <= this.#mostLinkSteps) return;
    throw imageInvalid(
      `more than ${this.#mostLinkSteps} names on the ways of symbolic links, which no image needs`,
    );
  }

  #childOf(parent: Step | undefined, name: string): Node {
    if (parent === undefined) return this.#tree.find(ROOT, name);
    return parent.node === 0 ? 0 : this.#tree.find(parent.node, name);
  }
}

/** The parts of a path that lead anywhere, last first. */
function partsOf(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return parts.reverse();
}
