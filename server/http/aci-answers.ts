/** An image of the registry as an answer: the client waits until it is converted, and gets headers when the file is whole. */
import { join } from 'node:path';
import type { Request, Response } from 'express';
import { DepotError, type FoundImage, type RegistryAcis } from '../index.js';
import { createDeferrals, type Patience, type SigningState } from './deferrals.js';
import { answerFile } from './file-answer.js';
import { answerPlainText } from './plain-text.js';
import type { Transfers } from './transfers.js';

/** What these answers work with. */
export interface AciAnswersOptions {
  readonly acis: RegistryAcis;
  readonly transfers: Transfers;
  /** How long a client that asks for a pending signature again is kept waiting. */
  readonly patience?: Patience | undefined;
}

/** Which of the two files. */
export type AciFile = 'image' | 'signature';

/** Answers a GET or HEAD with a file of an image. */
export type AnswerAci = (req: Request, res: Response, image: FoundImage, file: AciFile) => Promise<void>;

/** An image that is removed from the cache so often between two looks is answered 503. */
const MAX_ATTEMPTS = 10;
const PENDING_RETRY_S = '1';
const CANNOT: ReadonlySet<string> = new Set([
  'IMAGE_INVALID',
  'MANIFEST_INVALID',
  'ARCHIVE_INVALID',
  'ACI_INVALID',
]);
const MOST_REASON = 500;

/** Makes the answers of one depot. */
export function aciAnswers(options: AciAnswersOptions): AnswerAci {
  const deferrals = createDeferrals(options.patience);
  return async (req, res, image, file) => {
    if (file === 'signature' && !(await options.acis.signs())) {
      return answerPlainText(res, 404, 'no signature: this depot has no signing key that can be used');
    }
    for (let attempt = 0; attempt < MAX_ATTEMPTS && !res.destroyed; attempt += 1) {
      if (await answerHeld(req, res, { image, file }, options)) return;
      const making = options.acis.make(image);
      if (file === 'signature' && (await isPending(req, res, { image, making }, deferrals)))
        return putOff(res);
      await making;
    }
    if (!res.destroyed) throw new DepotError('FILE_CHANGED', 'the image is being replaced all the time');
  };
}

interface Wanted {
  readonly image: FoundImage;
  readonly file: AciFile;
}

/** @returns whether the file was there and all is answered */
async function answerHeld(
  req: Request,
  res: Response,
  { image, file }: Wanted,
  { acis, transfers }: AciAnswersOptions,
): Promise<boolean> {
  const held = await acis.held(image);
  if (held === undefined) return false;
  if (res.destroyed) {
    held.release();
    return true;
  }
  res.once('close', () => held.release());
  const name = file === 'image' ? held.image : held.signature;
  if (name === undefined) return false;
  const asset = { kind: 'file', name, path: join(held.folder, name), stats: held.stats } as const;
  return await answerFile(req, res, asset, {
    dir: held.folder,
    transfers,
    // What a tag leads to may change.
    cacheControl: () => 'no-cache',
    etag: file === 'image' ? image.etag : undefined,
  });
}

/** Who asks for the first time is told to come again; who has come again waits for a while. */
async function isPending(
  req: Request,
  res: Response,
  { image, making }: { readonly image: FoundImage; readonly making: Promise<void> },
  deferrals: ReturnType<typeof createDeferrals>,
): Promise<boolean> {
  let state: SigningState = 'pending';
  const settle = () => {
    state = 'settled';
  };
  making.then(settle, settle);
  if (req.method === 'HEAD') return true;
  const question = `${req.socket.remoteAddress} ${image.name}`;
  const look = () => state;
  return (await deferrals({ question, look, isOpen: () => !res.destroyed })) === 'pending';
}

function putOff(res: Response): void {
  res.setHeader('Retry-After', PENDING_RETRY_S);
  answerPlainText(res, 202, 'the signature is being made, ask again');
}

/**
 * Answers 422 with the reason, where an image cannot be converted.
 *
 * @throws every other error as it came
 */
export function answerIfImpossible(res: Response, error: unknown): void {
  if (!(error instanceof DepotError) || !CANNOT.has(error.code)) throw error;
  const reason = error.message.replace(/\p{C}/gu, '?').slice(0, MOST_REASON);
  answerPlainText(res, 422, `the image cannot be converted: ${reason}`);
}
