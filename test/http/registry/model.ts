/** The specification in memory: what one repository must answer, and the operations that change it. */
import fc from 'fast-check';
import {
  digestOf,
  imageOf,
  OCI_IMAGE,
  type RegistryClient,
  type TestImage,
} from '../../fixtures/registry-client.js';

const LAYERS = ['', 'a', 'another layer', 'x'.repeat(3000)];
const PLAIN = [imageOf(['', 'a']), imageOf(['another layer']), imageOf(['x'.repeat(3000), 'a'])];
const SPEAKING = PLAIN.slice(0, 2).map((subject) =>
  imageOf(['a'], {
    artifactType: 'application/example',
    subject: { mediaType: OCI_IMAGE, digest: subject.digest, size: subject.manifest.length },
  }),
);
const IMAGES = [...PLAIN, ...SPEAKING];
const CONFIG = PLAIN[0]?.blobs[0] ?? Buffer.of();
const BLOBS = [...LAYERS.map((layer) => Buffer.from(layer)), CONFIG];
const TAGS = ['latest', 'v1'];
const FORMS = ['put', 'post', 'patch', 'sha512'] as const;

/** One thing that a client does. */
export type Operation =
  | { readonly kind: 'blob'; readonly blob: number; readonly form: (typeof FORMS)[number] }
  | { readonly kind: 'wrong'; readonly blob: number }
  | { readonly kind: 'mount'; readonly blob: number }
  | { readonly kind: 'manifest'; readonly image: number; readonly tag: number }
  | { readonly kind: 'tagged'; readonly image: number }
  | { readonly kind: 'untag'; readonly tag: number }
  | { readonly kind: 'remove'; readonly image: number }
  | { readonly kind: 'unlink'; readonly blob: number }
  | { readonly kind: 'look' };

const blob = fc.nat(BLOBS.length - 1);
const image = fc.nat(IMAGES.length - 1);

/** Any operation; pushes are the most. */
export const OPERATION: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('blob' as const), blob, form: fc.constantFrom(...FORMS) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wrong' as const), blob }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('mount' as const), blob }) },
  // One beyond the tags is a push by digest.
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('manifest' as const), image, tag: fc.nat(TAGS.length) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('tagged' as const), image }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('untag' as const), tag: fc.nat(TAGS.length - 1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), image }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unlink' as const), blob }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('look' as const) }) },
);

/** One repository, by the specification and for real. */
export class ModelledRepository {
  readonly #name: string;
  readonly #ask: () => RegistryClient;
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, TestImage>();
  readonly #tags = new Map<string, TestImage>();

  /** @param ask - the client as it is now: the server may be another one at each step */
  constructor(name: string, ask: () => RegistryClient) {
    this.#name = name;
    this.#ask = ask;
  }

  /**
   * Does one operation in both worlds.
   *
   * @throws the answers differ
   */
  async run(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'blob':
        return this.#pushBlob(at(BLOBS, operation.blob), operation.form);
      case 'wrong':
        return this.#pushWrong(at(BLOBS, operation.blob));
      case 'mount':
        return this.#mount(at(BLOBS, operation.blob));
      case 'manifest':
        return this.#put(at(IMAGES, operation.image), TAGS.slice(operation.tag, operation.tag + 1), 'by tag');
      case 'tagged':
        return this.#put(at(IMAGES, operation.image), TAGS, 'by query');
      case 'untag':
        return this.#untag(at(TAGS, operation.tag));
      case 'remove':
        return this.#remove(at(IMAGES, operation.image));
      case 'unlink':
        return this.#unlink(at(BLOBS, operation.blob));
      case 'look':
        return this.expectAll();
    }
  }

  async #pushBlob(bytes: Buffer, form: (typeof FORMS)[number]): Promise<void> {
    const client = this.#ask();
    const digest = digestOf(bytes, form === 'sha512' ? 'sha512' : 'sha256');
    if (form === 'post') {
      await expectStatus(client.ask('POST', `${this.#name}/blobs/uploads/?digest=${digest}`, bytes), 201);
    } else {
      const location = await client.begin(this.#name);
      const half = form === 'patch' ? bytes.length >> 1 : 0;
      if (half > 0) await expectStatus(client.ask('PATCH', location, bytes.subarray(0, half)), 202);
      await expectStatus(client.ask('PUT', `${location}?digest=${digest}`, bytes.subarray(half)), 201);
    }
    this.#blobs.set(digest, bytes);
  }

  async #pushWrong(bytes: Buffer): Promise<void> {
    const answer = this.#ask().pushBlob(
      this.#name,
      Buffer.concat([bytes, Buffer.from('!')]),
      digestOf(bytes),
    );
    await expectStatus(answer, 400);
  }

  /** From itself: whether it is there is known. */
  async #mount(bytes: Buffer): Promise<void> {
    const digest = digestOf(bytes);
    const path = `${this.#name}/blobs/uploads/?mount=${digest}&from=${this.#name}`;
    await expectStatus(this.#ask().ask('POST', path), this.#blobs.has(digest) ? 201 : 202);
  }

  async #put(pushed: TestImage, tags: readonly string[], how: 'by tag' | 'by query'): Promise<void> {
    const query = how === 'by query' ? `?${tags.map((tag) => `tag=${tag}`).join('&')}` : '';
    const reference = how === 'by query' ? pushed.digest : (tags[0] ?? pushed.digest);
    const whole = pushed.blobs.every((bytes) => this.#blobs.has(digestOf(bytes)));
    const answer = this.#ask().pushManifest(this.#name, reference + query, pushed.manifest);
    await expectStatus(answer, whole ? 201 : 400);
    if (!whole) return;
    this.#manifests.set(pushed.digest, pushed);
    for (const tag of tags) this.#tags.set(tag, pushed);
  }

  async #untag(tag: string): Promise<void> {
    const answer = this.#ask().ask('DELETE', `${this.#name}/manifests/${tag}`);
    await expectStatus(answer, this.#tags.delete(tag) ? 202 : 404);
  }

  async #remove(removed: TestImage): Promise<void> {
    const answer = this.#ask().ask('DELETE', `${this.#name}/manifests/${removed.digest}`);
    await expectStatus(answer, this.#manifests.delete(removed.digest) ? 202 : 404);
    for (const [tag, has] of this.#tags) if (has === removed) this.#tags.delete(tag);
  }

  async #unlink(bytes: Buffer): Promise<void> {
    const answer = this.#ask().ask('DELETE', `${this.#name}/blobs/${digestOf(bytes)}`);
    const digest = digestOf(bytes);
    if (!this.#blobs.has(digest)) return expectStatus(answer, 404);
    const needing = [...this.#manifests.values()].filter(({ blobs }) =>
      blobs.some((each) => each.equals(bytes)),
    );
    if (needing.length > 0) return expectStatus(answer, 405);
    await expectStatus(answer, 202);
    this.#blobs.delete(digest);
  }

  /**
   * Everything that must be there is there with the right bytes, and nothing else.
   *
   * @throws it is not so
   */
  async expectAll(): Promise<void> {
    for (const bytes of BLOBS) {
      for (const digest of [digestOf(bytes), digestOf(bytes, 'sha512')]) {
        await this.#expect(`blobs/${digest}`, digest, this.#blobs.get(digest));
      }
    }
    for (const { digest } of IMAGES) {
      await this.#expect(`manifests/${digest}`, digest, this.#manifests.get(digest)?.manifest);
    }
    for (const tag of TAGS) {
      const has = this.#tags.get(tag);
      await this.#expect(`manifests/${tag}`, has?.digest ?? '', has?.manifest);
    }
    await this.#expectLists();
  }

  async #expectLists(): Promise<void> {
    for (const subject of PLAIN) {
      const path = `${this.#name}/referrers/${subject.digest}`;
      const { manifests }: { manifests: { digest: string }[] } = JSON.parse(
        await textOf(this.#ask().get(path)),
      );
      const speaking = SPEAKING[PLAIN.indexOf(subject)];
      const wanted = speaking !== undefined && this.#manifests.has(speaking.digest) ? [speaking.digest] : [];
      expectSame(
        `referrers of ${subject.digest}`,
        manifests.map(({ digest }) => digest),
        wanted,
      );
    }
    const list = await this.#ask().get(`${this.#name}/tags/list`);
    const { tags = [] }: { tags?: string[] } = JSON.parse(await list.text());
    expectSame('tags', tags, [...this.#tags.keys()].sort());
  }

  async #expect(address: string, digest: string, bytes: Buffer | undefined): Promise<void> {
    const client = this.#ask();
    const answer = await client.get(`${this.#name}/${address}`);
    const got = Buffer.from(await answer.arrayBuffer());
    expectSame(`GET ${address}`, answer.status, bytes === undefined ? 404 : 200);
    if (bytes === undefined) return;
    expectSame(`bytes of ${address}`, got.equals(bytes), true);
    expectSame(`digest of ${address}`, answer.headers.get('docker-content-digest'), digest);
    const head = await client.ask('HEAD', `${this.#name}/${address}`);
    expectSame(
      `HEAD ${address}`,
      [head.status, head.headers.get('content-length')],
      [200, String(bytes.length)],
    );
  }
}

function at<T>(all: readonly T[], index: number): T {
  const found = all[index];
  if (found === undefined) throw new Error(`there is no number ${index}`);
  return found;
}

async function textOf(answer: Promise<Response>): Promise<string> {
  return (await answer).text();
}

async function expectStatus(asked: Promise<Response>, status: number): Promise<void> {
  const answer = await asked;
  const text = await answer.text();
  if (answer.status !== status) {
    throw new Error(`${answer.url} was answered with ${answer.status}, not ${status}: ${text}`);
  }
}

function expectSame(what: string, got: unknown, wanted: unknown): void {
  if (JSON.stringify(got) === JSON.stringify(wanted)) return;
  throw new Error(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}
