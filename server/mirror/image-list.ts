/** Lists of images as other programs write them; the kind is recognised where nobody says it. */
import { parseAllDocuments } from 'yaml';
import { DepotError } from '../errors.js';
import { DOCUMENT_FORMATS, type ReadDocument } from './list-format.js';

const LINES = ['plain', 'k3s', 'rke2'] as const;
const DOCUMENTS = ['hauler', 'zarf', 'kubeadm', 'kubernetes', 'skopeo', 'set'] as const;

/** The kinds of lists; those of lines differ in name alone. */
export const LIST_FORMATS = [...LINES, ...DOCUMENTS] as const;

/** A kind of list. */
export type ListFormat = (typeof LIST_FORMATS)[number];

/** Whether a text is the name of a kind of list. */
export function isListFormat(text: string): text is ListFormat {
  return LIST_FORMATS.some((format) => format === text);
}

/** Documents that are not YAML at all are no reason to read long. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * Finds the images that a list names, each once, in their order.
 *
 * @param text - untrusted
 * @param source - of the list, for messages
 * @param format - `undefined`: what it looks like
 * @returns lines that `parseWanted` reads, or that it refuses one by one
 * @throws DepotError `USAGE`: it is not of that kind
 */
export function parseImageList(text: string, source: string, format?: ListFormat): string[] {
  if (text.length > MOST_BYTES) throw new DepotError('USAGE', `${source} is too large for a list of images`);
  return [...new Set(read(text, source, format))];
}

function read(text: string, source: string, format: ListFormat | undefined): string[] {
  if (format !== undefined && isOfLines(format)) return linesOf(text);
  const documents = documentsOf(text, format === undefined ? undefined : source);
  const wanted = format === undefined ? DOCUMENTS : [format];
  for (const name of wanted) {
    const images = readAll(documents, DOCUMENT_FORMATS[name]);
    if (images !== undefined) return images;
  }
  if (format === undefined) return linesOf(text);
  throw new DepotError('USAGE', `${source} is no list of the kind ${format}`);
}

function isOfLines(format: ListFormat): format is (typeof LINES)[number] {
  return LINES.some((each) => each === format);
}

/** A file may hold documents of other kinds beside the ones that name images. */
function readAll(documents: readonly unknown[], read: ReadDocument): string[] | undefined {
  const found = documents.map(read).filter((images) => images !== undefined);
  return found.length === 0 ? undefined : found.flat();
}

/** @param source - `undefined`: what is no YAML has no documents */
function documentsOf(text: string, source: string | undefined): unknown[] {
  const documents = parseAllDocuments(text, { uniqueKeys: false, logLevel: 'silent' });
  if (!Array.isArray(documents)) return [];
  const [fault] = documents.flatMap(({ errors }) => errors);
  if (fault === undefined) return documents.map((document): unknown => document.toJS());
  if (source === undefined) return [];
  throw new DepotError('USAGE', `${source}: ${fault.message.split('\n', 1)[0]}`);
}

function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.replace(/(?:^|\s)#.*$/, '').trim());
  return lines.filter((line) => line !== '');
}
