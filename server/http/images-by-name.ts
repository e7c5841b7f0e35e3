/**
 * `/aci-images/OS/ARCH/NAME:VERSION.aci`, and `.aci.asc`: an image by what its manifest says, wherever in the assets
 * folder its file lies. Neither OS, ARCH nor NAME can hold what stands behind it, so the address has one meaning.
 */
import { Router } from 'express';
import { type AciIndex, DepotError, parsePath } from '../index.js';
import type { AnswerAsset } from './assets.js';
import type { ImageNames } from './discovery.js';
import { onlyReads } from './only-reads.js';
import { splitTarget } from './request-target.js';

/** Where these routes are mounted. */
export const IMAGES_BY_NAME = '/aci-images';

const TEMPLATE = `${IMAGES_BY_NAME}/{os}/{arch}/{name}:{version}.{ext}`;

/** What an address asks for, in its parts. */
const ADDRESS = /^(?<os>[^/]+)\/(?<arch>[^/]+)\/(?<image>[^:]+):(?<version>.+?)\.aci(?<ending>\.asc)?$/s;

/** The routes; the answers are those of the files below `/assets`, ranges, validators and pending signatures included. */
export function imagesByNameRouter(images: AciIndex, answer: AnswerAsset): Router {
  const router = Router();
  router.use(onlyReads);
  router.use(async (req, res) => {
    const address = parsePath(splitTarget(req.originalUrl).path.slice(req.baseUrl.length)).parts.join('/');
    const { os, arch, image, version, ending = '' } = ADDRESS.exec(address)?.groups ?? {};
    if (os === undefined || arch === undefined || image === undefined || version === undefined) {
      throw new DepotError('NOT_FOUND', `${address} is not OS/ARCH/NAME:VERSION.aci`);
    }
    const found = await images.find({ image, version, os, arch });
    if (found === undefined) throw new DepotError('NOT_FOUND', `no image in the assets is ${address}`);
    await answer(req, res, { parts: `${found.file}${ending}`.split('/'), folder: false });
  });
  return router;
}

/** What discovery says of the names in the assets folder. */
export function namesInAssets(images: AciIndex): ImageNames {
  return async (name) => ((await images.knows(name)) ? TEMPLATE : undefined);
}
