/** The JSON in archives of `docker save`, read into exact shapes. */
import { z } from 'zod';
import { DepotError } from '../errors.js';
import { type ImageFiles, readJsonBytes } from './image-files.js';
import { imageInvalid } from './image-invalid.js';

/** One image of `manifest.json`. */
export interface ArchivedImage {
  /** Member that holds the config; `undefined` in archives of before `manifest.json`. */
  readonly config: string | undefined;
  /** Such as `quay.io/coreos/etcd:v2`. */
  readonly names: readonly string[];
  /** Members, base first. */
  readonly layers: readonly string[];
}

/** Tags and the IDs of their top layers, by repository. */
export type Repositories = Readonly<Record<string, Readonly<Record<string, string>>>>;

const ID = z.string().regex(/^[0-9a-f]{64}$/, 'expected an ID of 64 hex digits');
const MANIFEST = z.array(
  z.object({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()).nullish(),
  }),
);
const REPOSITORIES = z.record(z.string(), z.record(z.string(), ID));
const OLD_IMAGE = z.object({ id: ID.optional(), parent: z.union([ID, z.literal('')]).nullish() });

/** @throws DepotError `IMAGE_INVALID` */
export async function readManifest(files: ImageFiles): Promise<readonly ArchivedImage[]> {
  const { value } = await readJson(files, 'manifest.json', MANIFEST);
  return value.map(({ Config, RepoTags, Layers }) => ({
    config: Config,
    names: RepoTags ?? [],
    layers: Layers ?? [],
  }));
}

/** @throws DepotError `IMAGE_INVALID` */
export async function readRepositories(files: ImageFiles): Promise<Repositories> {
  return (await readJson(files, 'repositories', REPOSITORIES)).value;
}

/**
 * Reads the `json` of one layer.
 *
 * @returns its bytes, and the ID of the layer below, if there is one
 * @throws DepotError `IMAGE_INVALID`: also if it is of another layer
 */
export async function readOldImage(
  files: ImageFiles,
  id: string,
): Promise<{ readonly bytes: Buffer; readonly parent: string | undefined }> {
  const name = `${id}/json`;
  const { bytes, value } = await readJson(files, name, OLD_IMAGE);
  if (value.id !== undefined && value.id !== id) {
    throw imageInvalid(`${files.path}: ${name} is of the layer ${value.id}`);
  }
  return { bytes, parent: value.parent || undefined };
}

async function readJson<T>(files: ImageFiles, name: string, shape: z.ZodType<T>) {
  const bytes = await readJsonBytes(files, name).catch((error: unknown) => {
    if (error instanceof DepotError && error.code === 'NOT_FOUND') throw imageInvalid(error.message);
    throw error;
  });
  const parsed = shape.safeParse(parse(bytes));
  if (parsed.success) return { bytes, value: parsed.data };
  const [issue] = parsed.error.issues;
  throw imageInvalid(
    `${files.path}: ${name}: ${issue?.path.join('.') || 'all of it'}: ${issue?.message ?? 'unexpected'}`,
  );
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
