/** Clients that push, move, delete and mount without rest, and know what they were told. */
import { randomBytes } from 'node:crypto';
import { types } from 'node:util';
import { digestOf, imageOf, RegistryClient, type TestImage } from '../../fixtures/registry-client.js';

/** A number below a bound; the same row of them for the same seed. */
export type Random = (below: number) => number;

/** A row of random numbers. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

const LAYERS = Array.from({ length: 6 }, (_, index) => Buffer.alloc(30_000, `layer ${index}`));
const IMAGES = Array.from({ length: 12 }, (_, index) =>
  imageOf([LAYERS[index % 6] ?? '', LAYERS[(index * 5 + 1) % 6] ?? ''], { annotations: { n: `${index}` } }),
);
const TAGS = ['v1', 'v2', 'v3'];

/** One client with a repository of its own, so that it alone says what is there. */
export class LoadClient {
  readonly name: string;
  readonly #random: Random;
  #client = new RegistryClient('http://127.0.0.1:9');
  /** What each tag has; a name that is missing here may have anything, or be gone. */
  readonly #tags = new Map<string, TestImage | undefined>();
  readonly #manifests = new Map<TestImage, 'here' | 'gone'>();
  #upload: { readonly location: string; readonly bytes: Buffer; told: number } | undefined;
  /** Changes that were acknowledged. */
  acknowledged = 0;

  constructor(name: string, random: Random) {
    this.name = name;
    this.#random = random;
  }

  /** Works until the server is gone. */
  async run(base: string): Promise<void> {
    this.#client = new RegistryClient(base);
    try {
      for (;;) await this.#step();
    } catch (error) {
      // That is how `fetch` says that a connection ended.
      if (!types.isNativeError(error) || error.name !== 'TypeError') throw error;
    }
  }

  #step(): Promise<void> {
    const steps = [
      () => this.#push(),
      () => this.#push(),
      () => this.#untag(),
      () => this.#remove(),
      () => this.#send(),
    ];
    return this.#pick(steps)();
  }

  async #push(): Promise<void> {
    const image = this.#pick(IMAGES);
    for (const blob of image.blobs) await this.#pushBlob(blob);
    const tag = this.#pick(TAGS);
    this.#tags.delete(tag);
    this.#manifests.delete(image);
    const answer = await this.#client.pushManifest(this.name, tag, image.manifest);
    if (answer.status !== 201) throw new Error(`refused: ${await answer.text()}`);
    this.#tags.set(tag, image);
    this.#manifests.set(image, 'here');
    this.acknowledged += 1;
  }

  async #pushBlob(bytes: Buffer): Promise<void> {
    const client = this.#client;
    const digest = digestOf(bytes);
    const forms = [
      () => client.pushBlob(this.name, bytes),
      () => client.ask('POST', `${this.name}/blobs/uploads/?digest=${digest}`, bytes),
      async () => {
        const mounted = await client.ask('POST', `${this.name}/blobs/uploads/?mount=${digest}`);
        return mounted.status === 201 ? mounted : client.pushBlob(this.name, bytes);
      },
      async () => {
        const location = await client.begin(this.name);
        const half = bytes.length >> 1;
        await client.ask('PATCH', location, bytes.subarray(0, half), { 'Content-Range': `0-${half - 1}` });
        return client.ask('PUT', `${location}?digest=${digest}`, bytes.subarray(half));
      },
    ];
    const { status } = await this.#pick(forms)();
    if (status !== 201) throw new Error(`a blob was answered with ${status}`);
    this.acknowledged += 1;
  }

  async #untag(): Promise<void> {
    const tag = this.#pick(TAGS);
    this.#tags.delete(tag);
    await this.#client.ask('DELETE', `${this.name}/manifests/${tag}`);
    this.#tags.set(tag, undefined);
    this.acknowledged += 1;
  }

  async #remove(): Promise<void> {
    const image = this.#pick(IMAGES);
    const pointing = [...this.#tags].filter(([, has]) => has === image).map(([tag]) => tag);
    this.#manifests.delete(image);
    for (const tag of pointing) this.#tags.delete(tag);
    await this.#client.ask('DELETE', `${this.name}/manifests/${image.digest}`);
    this.#manifests.set(image, 'gone');
    for (const tag of pointing) this.#tags.set(tag, undefined);
    this.acknowledged += 1;
  }

  /** A part of an upload that goes on over all restarts. */
  async #send(): Promise<void> {
    const bytes = this.#upload?.bytes ?? randomBytes(400_000);
    this.#upload ??= { location: await this.#client.begin(this.name), bytes, told: 0 };
    const { location } = this.#upload;
    const offset = await this.#offsetOf(location, this.#upload.told);
    const part = bytes.subarray(offset, offset + 100_000);
    if (part.length > 0) {
      await this.#client.ask('PATCH', location, part);
      this.#upload.told = offset + part.length;
      this.acknowledged += 1;
      return;
    }
    const digest = digestOf(bytes);
    this.#upload = undefined;
    const { status } = await this.#client.ask('PUT', `${location}?digest=${digest}`);
    if (status !== 201) throw new Error(`the end of an upload was answered with ${status}`);
    await this.#expectBlob(digest);
  }

  async #offsetOf(location: string, told: number): Promise<number> {
    const state = await this.#client.get(location);
    if (state.status !== 204) throw new Error(`an upload was answered with ${state.status}`);
    const last = Number(state.headers.get('range')?.split('-')[1]);
    const offset = last === 0 ? 0 : last + 1;
    if (offset < told) throw new Error(`${told} bytes of an upload were acknowledged, ${offset} are there`);
    return offset;
  }

  /** Looks whether all is as it was told, and nothing is there by half. */
  async expectAll(base: string): Promise<void> {
    this.#client = new RegistryClient(base);
    for (const image of IMAGES) await this.#expectManifest(image.digest, image, this.#manifests.get(image));
    for (const tag of TAGS) {
      const image = this.#tags.get(tag);
      const state = this.#tags.has(tag) ? (image === undefined ? 'gone' : 'here') : undefined;
      await this.#expectManifest(tag, image, state);
    }
    for (const layer of LAYERS) await this.#expectBlob(digestOf(layer), 'maybe');
    if (this.#upload !== undefined) await this.#offsetOf(this.#upload.location, this.#upload.told);
    const list = await this.#client.get(`${this.name}/tags/list`);
    const { tags = [] }: { tags?: string[] } = JSON.parse(await list.text());
    for (const tag of tags) {
      if (!TAGS.includes(tag)) throw new Error(`nobody made the tag ${tag}`);
      const { status } = await this.#client.ask('HEAD', `${this.name}/manifests/${tag}`);
      if (status !== 200) throw new Error(`${tag} is listed, and answered with ${status}`);
    }
  }

  async #expectManifest(
    reference: string,
    image: TestImage | undefined,
    state: 'here' | 'gone' | undefined,
  ): Promise<void> {
    const answer = await this.#client.get(`${this.name}/manifests/${reference}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const wanted = { here: [200], gone: [404], maybe: [200, 404] }[state ?? 'maybe'];
    if (!wanted.includes(answer.status)) {
      throw new Error(`${this.name}: ${reference} should be ${state}: ${answer.status}`);
    }
    if (answer.status === 404) return;
    const digest = answer.headers.get('docker-content-digest') ?? '';
    if (digestOf(bytes) !== digest) throw new Error(`${reference} has wrong bytes`);
    if (image !== undefined && digest !== image.digest) throw new Error(`${reference} has ${digest}`);
    const parts = IMAGES.find((each) => each.digest === digest);
    if (parts === undefined) throw new Error(`nobody pushed ${digest}`);
    for (const blob of parts.blobs) await this.#expectBlob(digestOf(blob));
  }

  async #expectBlob(digest: string, state: 'here' | 'maybe' = 'here'): Promise<void> {
    const answer = await this.#client.get(`${this.name}/blobs/${digest}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (answer.status === 404 && state === 'maybe') return;
    if (answer.status !== 200) throw new Error(`${this.name}: ${digest} was answered with ${answer.status}`);
    if (digestOf(bytes) !== digest) throw new Error(`${digest} has wrong bytes`);
  }

  #pick<T>(all: readonly T[]): T {
    const picked = all[this.#random(all.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }
}
