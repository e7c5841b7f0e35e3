/** What is pushed: one set for each kind of content that the specification knows. */
import { randomBytes } from 'node:crypto';
import { digestOf } from '../fixtures/registry-client.js';

export const OCI_IMAGE = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const OCI_EMPTY = 'application/vnd.oci.empty.v1+json';

/** The algorithms of digests. */
export type Algorithm = 'sha256' | 'sha512';

/** Bytes with the name they are pushed by. */
export interface TestBlob {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** A manifest with what must be true of it afterwards. */
export interface TestManifest extends TestBlob {
  readonly mediaType: string;
  readonly tags: readonly string[];
  /** Whether the tags come in the query of a push by digest. */
  readonly byQuery: boolean;
  readonly subject?: string;
  /** As the list of referrers shows it. */
  readonly artifactType?: string;
  readonly annotations?: object;
}

/** Content that is pushed together; children stand before what lists them. */
export interface DataSet {
  readonly name: string;
  readonly blobs: readonly TestBlob[];
  readonly manifests: readonly TestManifest[];
  /** Refers to what is nowhere; taken only where that is allowed. */
  readonly sparse: boolean;
}

/** Puts one set together. */
class Builder {
  readonly #name: string;
  readonly #algorithm: Algorithm;
  readonly #blobs: TestBlob[] = [];
  readonly #manifests: TestManifest[] = [];
  sparse = false;

  constructor(name: string, algorithm: Algorithm) {
    this.#name = name;
    this.#algorithm = algorithm;
  }

  blob(content: string | Buffer, mediaType: string, more: object = {}) {
    const bytes = Buffer.from(content);
    const digest = digestOf(bytes, this.#algorithm);
    this.#blobs.push({ digest, bytes });
    return { mediaType, digest, size: bytes.length, ...more };
  }

  layer(more: object = {}) {
    return this.blob(randomBytes(2000), 'application/vnd.oci.image.layer.v1.tar+gzip', more);
  }

  config(architecture = 'amd64') {
    return this.blob(
      JSON.stringify({ architecture, os: 'linux', nonce: randomBytes(8).toString('hex') }),
      'application/vnd.oci.image.config.v1+json',
    );
  }

  empty() {
    return this.blob('{}', OCI_EMPTY);
  }

  /** Adds a manifest and gives its descriptor. */
  manifest(body: object, more: Partial<TestManifest> & { suffix?: string } = {}) {
    const { suffix = '', ...told } = more;
    const mediaType = told.mediaType ?? OCI_IMAGE;
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...body }) + suffix);
    const digest = digestOf(bytes, this.#algorithm);
    this.#manifests.push({ digest, bytes, tags: [], byQuery: false, ...told, mediaType });
    return { mediaType, digest, size: bytes.length };
  }

  image(more: object = {}, told: Partial<TestManifest> = {}) {
    return this.manifest({ config: this.config(), layers: [this.layer(), this.layer()], ...more }, told);
  }

  tag(suffix = ''): string {
    return `${this.#name}${suffix}`.replace(/[^a-z0-9]+/g, '-');
  }

  done(): DataSet {
    return { name: this.#name, blobs: this.#blobs, manifests: this.#manifests, sparse: this.sparse };
  }
}

type Fill = (set: Builder) => void;

const platform = (architecture: string) => ({ platform: { os: 'linux', architecture } });

function artifact(set: Builder, more: object, told: Partial<TestManifest> = {}) {
  const artifactType = 'application/vnd.example.artifact';
  const annotations = { 'org.example.nonce': randomBytes(4).toString('hex') };
  return set.manifest(
    { artifactType, config: set.empty(), layers: [set.layer()], annotations, ...more },
    { artifactType, annotations, ...told },
  );
}

const SETS: Readonly<Record<string, Fill>> = {
  image: (set) => set.image({}, { tags: [set.tag()] }),
  uncompressed: (set) => {
    const layers = [set.blob(randomBytes(5000), 'application/vnd.oci.image.layer.v1.tar')];
    set.image({ layers }, { tags: [set.tag()] });
  },
  'large manifest': (set) => {
    const annotations = { much: 'x'.repeat(3_920_000) };
    set.image({ annotations }, { tags: [set.tag()] });
  },
  index: (set) => {
    const manifests = ['amd64', 'arm64'].map((name) => ({ ...set.image(), ...platform(name) }));
    set.manifest({ manifests }, { mediaType: OCI_INDEX, tags: [set.tag()] });
  },
  'nested index': (set) => {
    const inner = set.manifest({ manifests: [set.image()] }, { mediaType: OCI_INDEX });
    set.manifest({ manifests: [inner, set.image()] }, { mediaType: OCI_INDEX, tags: [set.tag()] });
  },
  'empty index': (set) => set.manifest({ manifests: [] }, { mediaType: OCI_INDEX, tags: [set.tag()] }),
  artifact: (set) => artifact(set, {}, { tags: [set.tag()] }),
  'artifact index': (set) => {
    const artifactType = 'application/vnd.example.index';
    const manifests = [artifact(set, {})];
    set.manifest({ artifactType, manifests }, { mediaType: OCI_INDEX, artifactType, tags: [set.tag()] });
  },
  'artifact without layers': (set) => artifact(set, { layers: [set.empty()] }, { tags: [set.tag()] }),
  'artifacts with subject': (set) => {
    const subject = set.image({}, { tags: [set.tag()] });
    for (let count = 0; count < 3; count += 1) artifact(set, { subject }, { subject: subject.digest });
    set.image(
      { subject },
      { subject: subject.digest, artifactType: 'application/vnd.oci.image.config.v1+json' },
    );
  },
  'index with subject': (set) => {
    const subject = set.image({}, { tags: [set.tag()] });
    const told = { mediaType: OCI_INDEX, subject: subject.digest };
    set.manifest({ manifests: [set.image()], subject }, told);
    const artifactType = 'application/vnd.example.index';
    set.manifest({ artifactType, manifests: [], subject }, { ...told, artifactType });
  },
  'missing subject': (set) => {
    const digest = digestOf(randomBytes(16));
    artifact(set, { subject: { mediaType: OCI_IMAGE, digest, size: 16 } }, { subject: digest });
  },
  'data field': (set) => {
    const config = { ...set.empty(), data: Buffer.from('{}').toString('base64') };
    set.image({ config }, { tags: [set.tag()] });
  },
  nondistributable: (set) => {
    const away = {
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      digest: digestOf(randomBytes(16)),
      size: 16,
      urls: ['https://layers.example.com/base'],
    };
    set.image({ layers: [away, set.layer()] }, { tags: [set.tag()] });
  },
  'custom fields': (set) => {
    const layers = [set.layer({ 'org.example.field': { deep: [1, null] } })];
    set.image({ layers, 'org.example.other': true }, { tags: [set.tag()] });
  },
  'no layers': (set) => set.image({ layers: [] }, { tags: [set.tag()] }),
  'tags in the query': (set) => {
    const tags = Array.from({ length: 10 }, (_, index) => set.tag(`-${index}`));
    const child = set.image({}, { tags: [set.tag('-child')], byQuery: true });
    set.manifest({ manifests: [child] }, { mediaType: OCI_INDEX, tags, byQuery: true });
  },
  docker: (set) => {
    const config = set.blob('{"os":"linux"}', 'application/vnd.docker.container.image.v1+json');
    const layer = set.blob(randomBytes(99), 'application/vnd.docker.image.rootfs.diff.tar.gzip');
    const image = set.manifest({ config, layers: [layer] }, { mediaType: DOCKER_IMAGE });
    const manifests = [{ ...image, ...platform('amd64') }];
    set.manifest({ manifests }, { mediaType: DOCKER_LIST, tags: [set.tag()] });
  },
  'space behind the end': (set) => {
    set.manifest({ config: set.config(), layers: [] }, { suffix: '  \n', tags: [set.tag()] });
  },
  'sparse image': (set) => {
    set.sparse = true;
    const absent = { mediaType: 'application/x.layer', digest: digestOf(randomBytes(16)), size: 16 };
    set.image({ layers: [absent] }, { tags: [set.tag()] });
  },
  'sparse index': (set) => {
    set.sparse = true;
    const absent = { mediaType: OCI_IMAGE, digest: digestOf(randomBytes(16)), size: 16 };
    set.manifest({ manifests: [absent, set.image()] }, { mediaType: OCI_INDEX, tags: [set.tag()] });
  },
};

/** All sets, by one algorithm; their random parts are new in each call. */
export function dataSets(algorithm: Algorithm): DataSet[] {
  return Object.entries(SETS).map(([name, fill]) => {
    const set = new Builder(`${name} ${algorithm}`, algorithm);
    fill(set);
    return set.done();
  });
}
