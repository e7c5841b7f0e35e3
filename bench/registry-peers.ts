/** The registries that a benchmark compares, and how something is pushed to them: both take the same requests. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { freePort, type Peer, pinned, type StartPeer, started } from './peers.js';

/** Debian's `docker-registry`, with its memory of blobs, without a log. Its folder is `scratch/registry`. */
export const dockerRegistry: StartPeer = async (_root, scratch, cores) => {
  const port = await freePort();
  await mkdir(scratch, { recursive: true });
  const config = join(scratch, 'registry.yml');
  await writeFile(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: join(scratch, 'registry') },
        cache: { blobdescriptor: 'inmemory' },
        delete: { enabled: true },
      },
      http: { addr: `127.0.0.1:${port}` },
    }),
  );
  return await started('docker-registry', port, pinned(cores, 'docker-registry', 'serve', config));
};

/** A digest as registries write it. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** One request; the answer's body is read and dropped. */
function ask(
  method: string,
  url: URL,
  body?: Uint8Array,
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = { 'Content-Length': String(body?.length ?? 0) };
    const req = request(url, { method, agent, headers: { ...length, ...headers } }, (res) => {
      res.resume().once('end', () => resolve(res));
    });
    req.once('error', reject);
    req.end(body);
  });
}

function expectStatus(res: IncomingMessage, status: number): IncomingMessage {
  if (res.statusCode !== status) throw new Error(`${res.statusCode} instead of ${status}`);
  return res;
}

/** The steps of a push: `POST` and `PUT`, or with a `PATCH` for the bytes between them, as docker has it. */
export type PushForm = 'put' | 'patch';

/** Pushes a blob whose digest is known. */
export async function pushBlob(
  { port }: Peer,
  name: string,
  blob: { readonly bytes: Uint8Array; readonly digest: string },
  form: PushForm,
): Promise<void> {
  const base = `http://127.0.0.1:${port}`;
  const begun = expectStatus(await ask('POST', new URL(`/v2/${name}/blobs/uploads/`, base)), 202);
  let location = new URL(begun.headers.location ?? '', base);
  if (form === 'patch') {
    const type = { 'Content-Type': 'application/octet-stream' };
    const sent = expectStatus(await ask('PATCH', location, blob.bytes, type), 202);
    location = new URL(sent.headers.location ?? '', base);
  }
  location.searchParams.set('digest', blob.digest);
  expectStatus(await ask('PUT', location, form === 'put' ? blob.bytes : undefined), 201);
}

/** A type of images that both registries have known for long. */
export const IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';

/** Pushes an image of some layers. */
export async function pushImage(
  peer: Peer,
  name: string,
  tag: string,
  layers: readonly Uint8Array[],
): Promise<void> {
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers' } }),
  );
  for (const bytes of [config, ...layers]) {
    await pushBlob(peer, name, { bytes, digest: digestOf(bytes) }, 'put');
  }
  const describe = (mediaType: string, bytes: Uint8Array) => ({
    mediaType,
    size: bytes.length,
    digest: digestOf(bytes),
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: IMAGE,
    config: describe('application/vnd.docker.container.image.v1+json', config),
    layers: layers.map((bytes) => describe('application/vnd.docker.image.rootfs.diff.tar.gzip', bytes)),
  });
  const url = new URL(`http://127.0.0.1:${peer.port}/v2/${name}/manifests/${tag}`);
  expectStatus(await ask('PUT', url, Buffer.from(manifest), { 'Content-Type': IMAGE }), 201);
}
