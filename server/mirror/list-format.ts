/** Lists of images in YAML or JSON: which kind a document is of, and the images that it names. */
import { z } from 'zod';

/** The images of a document, as lines that `parseWanted` reads; `undefined` if the document is of another kind. */
export type ReadDocument = (document: unknown) => string[] | undefined;

const STRINGS = z.array(z.string());

/** A set of ours, or a bare list. */
const SET = z.union([STRINGS, z.object({ images: STRINGS }).transform(({ images }) => images)]);

/** `kubeadm config images list -o json`. */
const KUBEADM = z.object({
  kind: z.literal('Images'),
  apiVersion: z.string().regex(/kubeadm/),
  images: STRINGS,
});

/** hauler's `Images`; its charts and files are no images. */
const HAULER = z.object({
  apiVersion: z.string().regex(/^content\.hauler\.cattle\.io\//),
  kind: z.string(),
  spec: z.object({ images: z.array(z.object({ name: z.string() })).optional() }),
});

/** A package of zarf. */
const ZARF = z.object({
  kind: z.literal('ZarfPackageConfig'),
  components: z.array(z.object({ images: STRINGS.nullish() })),
});

const NAMES = z.record(z.string(), STRINGS.nullish()).nullish();
const EXPRESSIONS = z.record(z.string(), z.string()).nullish();

/** `skopeo sync --src yaml`: registries by name. */
const SKOPEO = z.record(
  z.string(),
  z.union([
    z.object({ images: NAMES, 'images-by-tag-regex': EXPRESSIONS, 'images-by-semver': EXPRESSIONS }),
    z.null(),
  ]),
);
const SKOPEO_KEYS = ['images', 'images-by-tag-regex', 'images-by-semver'];

const OBJECT = z.looseObject({ apiVersion: z.string(), kind: z.string() });

/** How the kinds are read, in the order in which they are tried. */
export const DOCUMENT_FORMATS = {
  hauler: (document) => {
    const parsed = HAULER.safeParse(document);
    return parsed.success ? (parsed.data.spec.images ?? []).map(({ name }) => name) : undefined;
  },
  zarf: (document) => {
    const parsed = ZARF.safeParse(document);
    return parsed.success ? parsed.data.components.flatMap(({ images }) => images ?? []) : undefined;
  },
  kubeadm: (document) => {
    const parsed = KUBEADM.safeParse(document);
    return parsed.success ? parsed.data.images : undefined;
  },
  kubernetes: (document) => (OBJECT.safeParse(document).success ? imagesWithin(document) : undefined),
  skopeo: (document) => {
    const parsed = hasRegistries(document) ? SKOPEO.safeParse(document) : undefined;
    return parsed?.success
      ? Object.entries(parsed.data).flatMap(([host, each]) => fromSkopeo(host, each))
      : undefined;
  },
  set: (document) => SET.safeParse(document).data,
} as const satisfies Readonly<Record<string, ReadDocument>>;

function hasRegistries(document: unknown): boolean {
  const isRegistry = (value: unknown) => isFields(value) && SKOPEO_KEYS.some((key) => key in value);
  return isFields(document) && Object.values(document).some(isRegistry);
}

function fromSkopeo(host: string, registry: z.output<typeof SKOPEO>[string] | undefined): string[] {
  const named = Object.entries(registry?.images ?? {}).flatMap(([name, references]) => {
    const all = references?.length ? references : ['*'];
    return all.map((reference) => `${host}/${name}${reference.includes(':') ? '@' : ':'}${reference}`);
  });
  const matching = Object.entries(registry?.['images-by-tag-regex'] ?? {});
  const ranges = Object.entries(registry?.['images-by-semver'] ?? {});
  return [
    ...named,
    ...matching.map(([name, expression]) => `${host}/${name}:~/${expression}/`),
    ...ranges.map(
      ([name, range]) => `${host}/${name}:${/^[<>=^~]|\s-\s|\|\|/.test(range) ? range : `=${range}`}`,
    ),
  ];
}

/** Where the images of a pod are named. Kubernetes API, PodSpec. */
const CONTAINERS: ReadonlySet<string> = new Set(['containers', 'initContainers', 'ephemeralContainers']);

/** Looks at any depth: pods are inside of templates, lists, and resources that others define. */
function imagesWithin(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(imagesWithin);
  if (!isFields(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const own = CONTAINERS.has(key) && Array.isArray(inner) ? inner.flatMap(imageOf) : [];
    return [...own, ...imagesWithin(inner)];
  });
}

function imageOf(container: unknown): string[] {
  if (!isFields(container)) return [];
  const { image } = container;
  return typeof image === 'string' && image !== '' ? [image] : [];
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
