/**
 * `/aci-images/OS/ARCH/NAME:VERSION.aci`, and `.aci.asc`: an image by what its manifest says, wherever in the assets
 * folder its file lies; else one of the registry. Neither OS, ARCH nor NAME can hold what stands behind it, so the address has one meaning.
 */
import { type Request, type Response, Router } from 'express';
import { type AciIndex, DepotError, parsePath, type WantedImage } from '../index.js';
import type { AciFile } from './aci-answers.js';
import type { AnswerAsset } from './assets.js';
import type { ImageNames } from './discovery.js';
import { onlyReads } from './only-reads.js';
import { splitTarget } from './request-target.js';

/** Where these routes are mounted. */
export const IMAGES_BY_NAME = '/aci-images';

/** What discovery says of every name: the address knows what is where. */
export const TEMPLATE = `${IMAGES_BY_NAME}/{os}/{arch}/{name}:{version}.{ext}`;

/** What an address asks for, in its parts. */
const ADDRESS = /^(?<os>[^/]+)\/(?<arch>[^/]+)\/(?<image>[^:]+):(?<version>.+?)\.aci(?<ending>\.asc)?$/s;

/**
 * Answers with an image that is not in the assets.
 *
 * @returns false if there is none either
 */
export type AnswerElsewhere = (
  req: Request,
  res: Response,
  wanted: WantedImage,
  file: AciFile,
) => Promise<boolean>;

/** The routes; the answers are those of the files below `/assets`, ranges, validators and pending signatures included. */
export function imagesByNameRouter(
  images: AciIndex,
  answer: AnswerAsset,
  elsewhere: AnswerElsewhere = async () => false,
): Router {
  const router = Router();
  router.use(onlyReads);
  router.use(async (req, res) => {
    const address = parsePath(splitTarget(req.originalUrl).path.slice(req.baseUrl.length)).parts.join('/');
    const { os, arch, image, version, ending = '' } = ADDRESS.exec(address)?.groups ?? {};
    if (os === undefined || arch === undefined || image === undefined || version === undefined) {
      throw new DepotError('NOT_FOUND', `${address} is not OS/ARCH/NAME:VERSION.aci`);
    }
    const wanted = { image, version, os, arch };
    const found = await images.find(wanted);
    if (found === undefined) {
      if (await elsewhere(req, res, wanted, ending === '' ? 'image' : 'signature')) return;
      throw new DepotError('NOT_FOUND', `no image here is ${address}`);
    }
    await answer(req, res, { parts: `${found.file}${ending}`.split('/'), folder: false });
  });
  return router;
}

/** What discovery says of the names in the assets folder. */
export function namesInAssets(images: AciIndex): ImageNames {
  return async (name) => ((await images.knows(name)) ? TEMPLATE : undefined);
}
