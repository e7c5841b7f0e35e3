/** Manifests of Kubernetes whose images are to come from the depot: the names change, and not a byte around them. */
import { type Document, isAlias, isMap, isPair, isScalar, isSeq, parseAllDocuments, visit } from 'yaml';
import { DepotError } from '../errors.js';
import { isDigest } from '../oci/digest.js';
import { isRepositoryName, isTag } from '../oci/reference.js';
import { isHostPort } from './address.js';
import { mirrorPath } from './mirror-path.js';
import type { Site } from './site.js';

/** What became of a stream of manifests. */
export interface RewrittenManifests {
  readonly text: string;
  /** Images that got another name, as they were written, each once. */
  readonly renamed: ReadonlyMap<string, string>;
  /** What stands where an image is expected and is no name of one, such as a template. */
  readonly passedOver: readonly string[];
}

/** A part of the text, and what takes its place. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Gives images of containers and image volumes their names in the depot: all of them, or those of the mirrored registries.
 *
 * @param text - YAML or JSON, several documents too
 * @throws DepotError `USAGE`: it cannot be read
 */
export function rewriteManifests(text: string, site: Site): RewrittenManifests {
  const renamed = new Map<string, string>();
  const passedOver = new Set<string>();
  const edits = new Map<number, Edit>();
  for (const { start, end, value, style } of imagesIn(documentsOf(text))) {
    const name = nameInDepot(value, site);
    if (name === undefined) passedOver.add(value);
    else if (name !== value) {
      renamed.set(value, name);
      edits.set(start, { start, end, text: written(name, style) });
    }
  }
  return { text: applied(text, [...edits.values()]), renamed, passedOver: [...passedOver] };
}

function documentsOf(text: string): readonly Document[] {
  const parsed = parseAllDocuments(text);
  const documents = Array.isArray(parsed) ? parsed : [];
  const fault = documents.flatMap(({ errors }) => errors)[0];
  if (fault !== undefined) {
    const [line] = fault.message.split('\n');
    throw new DepotError('USAGE', `the manifests cannot be read: ${line}`);
  }
  return documents;
}

/** Where an image stands, and how it is quoted. */
interface FoundImage {
  readonly start: number;
  readonly end: number;
  readonly value: string;
  readonly style: string | undefined;
}

function imagesIn(documents: readonly Document[]): readonly FoundImage[] {
  const found: FoundImage[] = [];
  for (const document of documents) {
    visit(document, {
      Pair(_key, pair, path) {
        if (!namesImage([...path, pair].filter((node) => isPair(node) || isSeq(node)))) return;
        const node = isAlias(pair.value) ? pair.value.resolve(document) : pair.value;
        if (!isScalar(node) || typeof node.value !== 'string' || !node.range) return;
        const [start, end] = node.range;
        found.push({ start, end, value: node.value, style: node.type });
      },
    });
  }
  return found;
}

const CONTAINERS: ReadonlySet<unknown> = new Set(['containers', 'initContainers', 'ephemeralContainers']);

/** `containers: [{ image }]`, `volumes: [{ image: { reference } }]`: pairs and lists on the way there. */
function namesImage(way: readonly unknown[]): boolean {
  const [above, list, first, second] = isSeq(way.at(-2)) ? way.slice(-3) : way.slice(-4);
  if (!isSeq(list)) return false;
  if (second === undefined) return CONTAINERS.has(keyOf(above)) && keyOf(first) === 'image';
  return keyOf(above) === 'volumes' && keyOf(first) === 'image' && keyOf(second) === 'reference';
}

function keyOf(node: unknown): unknown {
  return isPair(node) && isScalar(node.key) && !isMap(node.key) ? node.key.value : undefined;
}

/**
 * The name of an image in the depot.
 *
 * @returns the same name if it is there already or not meant; `undefined` if it is none
 */
function nameInDepot(image: string, { registry, options }: Site): string | undefined {
  const [, whole = '', tag, digest] = /^([^@]*?)(?::([^:/@]*))?(?:@(.*))?$/.exec(image) ?? [];
  if ((tag !== undefined && !isTag(tag)) || (digest !== undefined && !isDigest(digest))) return undefined;
  const { host, path } = splitName(whole);
  if (!isHostPort(host) || !isRepositoryName(path)) return undefined;
  if (host === registry || (options.mirrors.length > 0 && !options.mirrors.includes(host))) return image;
  const rest = image.slice(whole.length);
  if (options.names === 'basename') return `${registry}/${path.slice(path.lastIndexOf('/') + 1)}${rest}`;
  return `${mirrorPath(registry, host)}/${path}${rest}`;
}

/** As Docker reads names: without a host an image is of its hub, and there without a folder in `library`. */
function splitName(name: string): { host: string; path: string } {
  const [first = '', ...others] = name.split('/');
  const hasHost = others.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const host = hasHost ? first.toLowerCase() : 'docker.io';
  const path = hasHost ? others.join('/') : name;
  const isHub = host === 'docker.io' || host === 'index.docker.io';
  return { host: isHub ? 'docker.io' : host, path: isHub && !path.includes('/') ? `library/${path}` : path };
}

function written(name: string, style: string | undefined): string {
  if (style === 'QUOTE_SINGLE') return `'${name}'`;
  // A plain text may not begin with the bracket of an IPv6 address.
  if (style === 'PLAIN' && !name.startsWith('[')) return name;
  return style?.startsWith('BLOCK') ? `${JSON.stringify(name)}\n` : JSON.stringify(name);
}

function applied(text: string, edits: readonly Edit[]): string {
  let rest = text;
  for (const { start, end, text: replacement } of [...edits].sort((one, other) => other.start - one.start)) {
    rest = rest.slice(0, start) + replacement + rest.slice(end);
  }
  return rest;
}
