/** `PUT /bundles/`: takes a bundle in while it comes. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { DepotError, type LoadedBundle, type LoadTarget, loadBundle, trustedCertificates } from '../index.js';
import { admitWriter, type Gate } from './registry/admission.js';
import { answerJson } from './registry/answer.js';
import { bodyOf, watchBody } from './registry/body.js';
import { causeOf } from './registry/cause.js';
import { answerFailure } from './registry/failure.js';
import type { UploadSlots } from './registry/upload-slots.js';
import { splitTarget } from './request-target.js';

/** What the address needs. */
export interface BundlesFace extends Gate {
  readonly target: LoadTarget;
  readonly slots: UploadSlots;
}

/** curl puts the name of the file that it sends behind a slash. */
const ADDRESS = /^\/bundles\/[^/]*$/;

/** Whether a request is about bundles. */
export function isBundlesUrl(url: string): boolean {
  return url === '/bundles' || url.startsWith('/bundles/') || url.startsWith('/bundles?');
}

/** Makes the listener for these requests. */
export function createBundlesHandler(face: BundlesFace): RequestListener {
  return (req, res) => {
    answer(req, res, face).catch((error: unknown) => answerFailure(res, error, face.logger));
  };
}

async function answer(req: IncomingMessage, res: ServerResponse, face: BundlesFace): Promise<void> {
  const { path, query } = splitTarget(req.url ?? '');
  if (!ADDRESS.test(path)) throw new DepotError('NOT_FOUND', 'bundles are put to /bundles/');
  if (req.method !== 'PUT') {
    res.setHeader('Allow', 'PUT');
    throw new DepotError('METHOD_NOT_ALLOWED', `${req.method} is not for this address`);
  }
  const caller = await admitWriter(req, res, face);
  const only = new URLSearchParams(query).getAll('only');
  await face.slots.during(req, async () => {
    watchBody(req, res);
    const loaded = await loadBundle({
      ...face.target,
      chunks: bodyOf(req, res),
      keyring: await trustedCertificates(face.target.keysDir),
      only: only.length === 0 ? undefined : only,
      now: new Date(),
      // Rules may say less of some repositories.
      admit: (repositories) => {
        for (const { repository } of repositories) face.access.require(caller, 'push', repository);
      },
    });
    await tellOf(req, loaded, face);
    const { manifests, ...counts } = loaded;
    const images = manifests.flatMap(({ repository, tags, stored }) =>
      tags.map((tag) => ({ name: `${repository}:${tag}`, digest: stored.digest })),
    );
    answerJson(res, 201, { ...counts, images });
  });
}

async function tellOf(
  req: IncomingMessage,
  { manifests }: LoadedBundle,
  { target, publicUrl }: BundlesFace,
): Promise<void> {
  for (const { repository, stored, tags } of manifests) {
    await target.registry.events.emit({
      action: 'push',
      kind: 'manifest',
      repository,
      digest: stored.digest,
      mediaType: stored.manifest.mediaType,
      size: stored.bytes.length,
      tags,
      cause: () => causeOf(req, publicUrl),
    });
  }
}
