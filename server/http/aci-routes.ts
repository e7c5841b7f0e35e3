/** `/aci/REPOSITORY:TAG.aci`, and `.aci.asc`: images of the registry as ACIs, by the address they have there. */
import { type Request, type Response, Router } from 'express';
import {
  DEFAULT_PLATFORM,
  DepotError,
  imageCalled,
  parsePath,
  parsePlatform,
  parseRepositoryName,
  parseTag,
  type RegistryAcis,
} from '../index.js';
import { type AnswerAci, answerIfImpossible } from './aci-answers.js';
import { onlyReads } from './only-reads.js';
import { admit, type Gate } from './registry/admission.js';
import { splitTarget } from './request-target.js';

/** What the routes work with. */
export interface AciRoutesOptions {
  readonly acis: RegistryAcis;
  readonly answer: AnswerAci;
  readonly gate: Gate;
  /** Put before names that have no host. */
  readonly host: string | undefined;
}

const ADDRESS = /^(?<name>[^:]+):(?<reference>[^:/]+)\.aci(?<ending>\.asc)?$/;

/** The routes, to be mounted at `/aci`. */
export function aciRouter(options: AciRoutesOptions): Router {
  const router = Router();
  router.use(onlyReads);
  router.use((req, res) => answer(req, res, options).catch((error) => answerIfImpossible(res, error)));
  return router;
}

async function answer(req: Request, res: Response, options: AciRoutesOptions): Promise<void> {
  const { path, query } = splitTarget(req.originalUrl);
  const address = parsePath(path.slice(req.baseUrl.length)).parts.join('/');
  const { name, reference, ending } = ADDRESS.exec(address)?.groups ?? {};
  if (name === undefined || reference === undefined) {
    throw new DepotError('NOT_FOUND', `${address} is not REPOSITORY:TAG.aci`);
  }
  const parameters = new URLSearchParams(query);
  await admit(req, res, { kind: 'manifest', name, reference, query: parameters }, options.gate);
  const [repository, tag] = [parseRepositoryName(name), parseTag(reference)];
  const platform = parameters.get('platform');
  const image = await options.acis.find({
    repository,
    target: { tag },
    platform: platform === null ? DEFAULT_PLATFORM : parsePlatform(platform),
    reference: imageCalled(repository, tag, options.host),
  });
  await options.answer(req, res, image, ending === undefined ? 'image' : 'signature');
}
