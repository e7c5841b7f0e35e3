/** The types of manifests that a registry keeps. OCI image specification, media-types.md; Docker image manifest V2, schema 2. */

/** OCI and Docker's names for an image and for a list of images. */
export const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
] as const;

/** One of the four types that the reference registry reads, too: any other one on its disk stops its garbage collection. */
export type ManifestType = (typeof MANIFEST_TYPES)[number];

/** The type of an OCI image. */
export const OCI_IMAGE: ManifestType = MANIFEST_TYPES[0];
/** The type of an OCI index. */
export const OCI_INDEX: ManifestType = MANIFEST_TYPES[1];

/** The types of Docker's first schema, with its signature inside: superseded, and refused by name. */
export const SCHEMA_1_TYPE = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/;

/** Whether a text is the name of a type of manifest. */
export function isManifestType(text: string): text is ManifestType {
  return MANIFEST_TYPES.some((type) => type === text);
}

/** Whether manifests of a type list other manifests, and not layers. */
export function isIndexType(type: ManifestType): boolean {
  return type === MANIFEST_TYPES[1] || type === MANIFEST_TYPES[3];
}

/** Whether a type is one of Docker's: its manifests always name it in their body. */
export function isDockerType(type: ManifestType): boolean {
  return type === MANIFEST_TYPES[2] || type === MANIFEST_TYPES[3];
}

/** The type in a `Content-Type` field, without its parameters. */
export function bareType(field: string): string {
  const end = field.indexOf(';');
  return (end === -1 ? field : field.slice(0, end)).trim().toLowerCase();
}
