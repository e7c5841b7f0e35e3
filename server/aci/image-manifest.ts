/** The manifest of an image: who it is and how it is run. appc/spec, spec/aci.md, "Image Manifest Schema". */
import { types } from 'node:util';
import { z } from 'zod';
import { annotationList } from './annotations.js';
import { type App, app } from './app.js';
import { labelList } from './labels.js';
import { count, identifier, listOf, type NamedValue, optional } from './manifest-values.js';

/** Another image that this one is laid over. */
export interface Dependency {
  readonly imageName: string;
  readonly imageID?: string | undefined;
  readonly labels: readonly NamedValue[];
  /** Bytes of that image's archive; 0 where it is not said. */
  readonly size: number;
}

/** An image manifest that keeps all rules; lists that are not there are empty, unknown fields are left out. */
export interface ImageManifest {
  readonly acKind: 'ImageManifest';
  readonly acVersion: string;
  /** Such as `quay.io/coreos/hyperkube`. */
  readonly name: string;
  readonly labels: readonly NamedValue[];
  readonly app?: App | undefined;
  readonly annotations: readonly NamedValue[];
  readonly dependencies: readonly Dependency[];
  readonly pathWhitelist: readonly string[];
}

/** What was found in the place of a manifest. */
export interface ManifestReading {
  /** The manifest, if no rule is broken. */
  readonly manifest?: ImageManifest;
  /** What the JSON says, unknown fields and all; `undefined` if it is no JSON. */
  readonly json?: unknown;
  /** Every broken rule, as `labels[0].name: is …, expected …`. */
  readonly problems: readonly string[];
}

/** JSON that is nested deeper than any manifest could be is not read: writing it out again would overflow. */
const DEPTH_LIMIT = 500;

const version = z
  .string()
  .regex(
    /^\d{1,18}\.\d{1,18}\.\d{1,18}(?:-[0-9A-Za-z.-]*)?(?:\+[0-9A-Za-z.-]*)?$/,
    'expected a version such as 0.8.11',
  )
  .refine((value) => !/^0+\.0+\.0+$/.test(value), 'is 0.0.0, expected a version such as 0.8.11');

const imageId = z.string().regex(/^sha512-[^-]+$/, 'expected sha512- and the digest');

const imageManifest: z.ZodType<ImageManifest> = z.object({
  acKind: z.literal('ImageManifest', {
    error: ({ input }) => `is ${JSON.stringify(input) ?? 'missing'}, expected "ImageManifest"`,
  }),
  acVersion: version,
  name: identifier,
  labels: labelList,
  app: optional(app),
  annotations: annotationList,
  dependencies: listOf(
    z.object({ imageName: identifier, imageID: optional(imageId), labels: labelList, size: count }),
  ),
  pathWhitelist: listOf(z.string()),
});

/**
 * Reads a manifest and collects everything that is wrong with it.
 *
 * @param content - the file's bytes, untrusted
 */
export function readImageManifest(content: Buffer): ManifestReading {
  if (isTooDeep(content)) return { problems: [`its JSON is nested deeper than ${DEPTH_LIMIT} levels`] };
  let json: unknown;
  try {
    json = JSON.parse(content.toString('utf8'));
  } catch (error) {
    return { problems: [`it is not JSON: ${types.isNativeError(error) ? error.message : String(error)}`] };
  }
  const parsed = imageManifest.safeParse(json, { error: describeType });
  if (parsed.success) return { manifest: parsed.data, json, problems: [] };
  return { json, problems: parsed.error.issues.map(describeIssue) };
}

function describeType(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'invalid_type') return undefined;
  const input: unknown = issue.input;
  if (input === undefined) return `is missing, expected ${withArticle(String(issue.expected))}`;
  return `is ${kindOf(input)}, expected ${withArticle(String(issue.expected))}`;
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const path = issue.path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('');
  return path === '' ? issue.message : `${path.replace(/^\./, '')}: ${issue.message}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return withArticle(Array.isArray(value) ? 'array' : typeof value);
}

function withArticle(noun: string): string {
  const plain = noun === 'int' ? 'integer' : noun;
  return `${/^[aio]/.test(plain) ? 'an' : 'a'} ${plain}`;
}

function isTooDeep(content: Buffer): boolean {
  let depth = 0;
  let inText = false;
  for (let index = 0; index < content.length && depth <= DEPTH_LIMIT; index += 1) {
    const byte = content[index];
    if (inText && byte === BACKSLASH) index += 1;
    else if (byte === QUOTE) inText = !inText;
    else if (!inText && (byte === OPEN_BRACE || byte === OPEN_BRACKET)) depth += 1;
    else if (!inText && (byte === CLOSE_BRACE || byte === CLOSE_BRACKET)) depth -= 1;
  }
  return depth > DEPTH_LIMIT;
}

const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = Buffer.from('"\\{}[]');
