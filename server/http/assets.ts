/** `GET` and `HEAD /assets/...`: the assets folder, its files and its listings. */
import { type Request, type Response, Router } from 'express';
import { DepotError, findAsset, parsePath, type RequestedPath } from '../index.js';
import { type CacheRule, cacheControlBy } from './cache-rules.js';
import { createDeferrals, type Patience, type SigningState } from './deferrals.js';
import { answerFile, type FileAnswers } from './file-answer.js';
import { answerFolder, type FolderAnswers } from './folder-answer.js';
import type { HotFiles } from './hot-files.js';
import { onlyReads } from './only-reads.js';
import { answerPlainText } from './plain-text.js';
import { splitTarget } from './request-target.js';
import type { Transfers } from './transfers.js';

/** What the assets routes work with. */
export interface AssetsOptions extends FolderAnswers {
  readonly cache: readonly CacheRule[];
  readonly transfers: Transfers;
  readonly hot?: HotFiles | undefined;
  /**
   * Where the server signs by itself: whether a signature is being made, by its name relative to the assets folder.
   * It is then answered 202, which rkt understands as "ask again after the image"; one of other bytes is not served.
   */
  readonly signatureState?: ((name: string) => SigningState) | undefined;
  /** How long a client that asks for a pending signature again is kept waiting. */
  readonly patience?: Patience;
}

/** The same with what the routes keep. */
interface Prepared extends AssetsOptions {
  readonly answers: FileAnswers;
  readonly deferrals: ReturnType<typeof createDeferrals>;
}

/** A file that is replaced so often between two looks is answered 503. */
const MAX_ATTEMPTS = 10;
/** What clients are told to wait for a pending signature, in seconds. */
const PENDING_RETRY_S = '1';

/** Answers a GET or HEAD with the asset that a path leads to. */
export type AnswerAsset = (req: Request, res: Response, requested: RequestedPath) => Promise<void>;

/** The routes of one assets folder, to be mounted where it is to be seen. */
export function assetsRouter(options: AssetsOptions): Router {
  const answer = assetAnswers(options);
  const router = Router();
  router.use(onlyReads);
  router.use((req, res) =>
    answer(req, res, parsePath(splitTarget(req.originalUrl).path.slice(req.baseUrl.length))),
  );
  return router;
}

/** The answers alone, for other addresses of the same files. */
export function assetAnswers(options: AssetsOptions): AnswerAsset {
  const answers: FileAnswers = { ...options, cacheControl: cacheControlBy(options.cache) };
  const prepared: Prepared = { ...options, answers, deferrals: createDeferrals(options.patience) };
  return (req, res, requested) => answerAsset(req, res, requested, prepared);
}

async function answerAsset(
  req: Request,
  res: Response,
  requested: RequestedPath,
  options: Prepared,
): Promise<void> {
  const name = requested.parts.join('/');
  const state = await signingStateFor(req, res, name, options);
  if (state === 'withheld') throw new DepotError('NOT_FOUND', `${name} is the signature of other bytes`);
  if (state === 'pending') {
    res.setHeader('Retry-After', PENDING_RETRY_S);
    answerPlainText(res, 202, 'the signature is being made, ask again');
    return;
  }
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const asset = await findAsset(options, requested);
    if (asset.kind === 'folder') return await answerFolder(req, res, asset, options);
    if (await answerFile(req, res, asset, forName(name, options))) return;
  }
  throw new DepotError('FILE_CHANGED', `${name} is being replaced all the time`);
}

async function signingStateFor(
  req: Request,
  res: Response,
  name: string,
  { signatureState, deferrals }: Prepared,
): Promise<SigningState | undefined> {
  const state = signatureState?.(name);
  if (signatureState === undefined || state !== 'pending' || req.method === 'HEAD') return state;
  return await deferrals({
    question: `${req.socket.remoteAddress} ${name}`,
    look: () => signatureState(name),
    isOpen: () => !res.destroyed,
  });
}

/** A signature that may become pending is never answered from memory: each request for it comes by here. */
function forName(name: string, { signatureState, answers }: Prepared): FileAnswers {
  return signatureState !== undefined && name.endsWith('.asc') ? { ...answers, hot: undefined } : answers;
}
