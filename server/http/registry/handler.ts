/** Everything under `/v2/`: the address is read, the right to it is checked, one handler does the work. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import {
  type Caller,
  DepotError,
  type PullThrough,
  type Registry,
  type RepositoryName,
} from '../../index.js';
import type { Transfers } from '../transfers.js';
import { admit, type Gate } from './admission.js';
import { answerJson, EVERYWHERE, setHeaders } from './answer.js';
import { watchBody } from './body.js';
import { answerFailure } from './failure.js';
import type { HotBlobs } from './hot-blobs.js';
import type { HotManifests } from './hot-manifests.js';
import { locate } from './namespace.js';
import { getBlob, getCatalog, getManifest, getTags } from './pull.js';
import { appendUpload, beginUpload, cancelUpload, deleteBlob, finishUpload, getUpload } from './push.js';
import { deleteManifest, putManifest } from './push-manifest.js';
import { getReferrers } from './referrers.js';
import { parseAddress, type RegistryAddress } from './route.js';
import { getSignatures, putSignature, type SignaturesFace, SUPPORTED } from './signatures.js';
import { getToken } from './token.js';
import type { UploadSlots } from './upload-slots.js';

/** What the registry's face is made of. */
export interface RegistryFace extends Gate {
  readonly registry: Registry;
  readonly pullThrough: PullThrough;
  readonly transfers: Transfers;
  readonly hotManifests: HotManifests;
  readonly hotBlobs: HotBlobs;
  readonly slots: UploadSlots;
  /** Where signatures of images are, if they are given and taken here. */
  readonly signatures?: SignaturesFace | undefined;
  /** How long a client that pushes may send nothing, in milliseconds; by default a minute. */
  readonly silenceMs?: number;
}

type Handlers = Readonly<Record<string, () => Promise<void>>>;

/** What can be done at an address, by method. */
function handlersAt(
  address: RegistryAddress,
  req: IncomingMessage,
  res: ServerResponse,
  face: RegistryFace,
  caller: Caller,
): Handlers {
  const { registry, pullThrough, access, slots } = face;
  const mayRead = access.openReads ? undefined : (name: RepositoryName) => access.mayRead(caller, name);
  switch (address.kind) {
    case 'base':
      return reads(async () => answerJson(res, 200, {}));
    case 'token':
      return reads(() => getToken(res, access, caller));
    case 'catalog':
      return reads(() => getCatalog(res, address.query, registry, mayRead));
    case 'tags':
      return reads(() => getTags(res, address.name, address.query, pullThrough));
    case 'referrers':
      return reads(() => getReferrers(res, address, address.query, pullThrough));
    case 'blob':
      return {
        ...reads(() => getBlob(req, res, address, face)),
        DELETE: () => deleteBlob(res, address, face),
      };
    case 'manifest':
      return {
        ...reads(() => getManifest(req, res, address, face)),
        PUT: () => putManifest(req, res, address, face),
        DELETE: () => deleteManifest(res, address, face),
      };
    case 'signatures':
      return signaturesAt(req, res, address, face);
    case 'uploads':
      return {
        POST: () => {
          const begin = () => beginUpload(req, res, address, face, mayRead);
          return address.query.has('digest') ? slots.during(req, begin) : begin();
        },
      };
    case 'upload':
      return {
        GET: () => getUpload(res, address, registry),
        PATCH: () => slots.during(req, () => appendUpload(req, res, address, registry)),
        PUT: () => slots.during(req, () => finishUpload(req, res, address, face)),
        DELETE: () => cancelUpload(res, address, registry),
      };
  }
}

function signaturesAt(
  req: IncomingMessage,
  res: ServerResponse,
  address: { readonly name: string; readonly digest: string },
  { registry, signatures }: RegistryFace,
): Handlers {
  if (signatures === undefined) throw new DepotError('NOT_FOUND', 'registry.signatureExtension is off');
  return {
    ...reads(() => getSignatures(res, address, signatures)),
    PUT: () => putSignature(req, res, address, signatures, registry),
  };
}

function reads(handle: () => Promise<void>): Handlers {
  return { GET: handle, HEAD: handle };
}

/** Makes the listener for all requests whose address is the registry's. */
export function createRegistryHandler(face: RegistryFace): RequestListener {
  return (req, res) => {
    answer(req, res, face).catch((error: unknown) => answerFailure(res, error, face.logger));
  };
}

async function answer(req: IncomingMessage, res: ServerResponse, face: RegistryFace): Promise<void> {
  const asked = parseAddress(req.url ?? '');
  if (asked === undefined) throw new DepotError('NOT_FOUND', 'nothing of a registry has this address');
  const address = await locate(req, res, asked, face.pullThrough);
  // Clients look for it in whatever answer they get first, a challenge too.
  if (address.kind === 'base' && face.signatures !== undefined) setHeaders(res, SUPPORTED);
  const caller = await admit(req, res, address, face);
  // Behind every check of who may read what.
  if (address.kind === 'manifest' && face.hotManifests.answer(req, res, address)) return;
  setHeaders(res, EVERYWHERE);
  if (req.method !== 'GET' && req.method !== 'HEAD') watchBody(req, res, face.silenceMs);
  const handlers = handlersAt(address, req, res, face, caller);
  const handle = handlers[req.method ?? ''];
  if (handle !== undefined) return handle();
  res.setHeader('Allow', Object.keys(handlers).join(', '));
  throw new DepotError('METHOD_NOT_ALLOWED', `${req.method} is not for this address`);
}
