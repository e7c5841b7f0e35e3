/** Routes that only give: whatever is not GET or HEAD is turned away. */
import type { RequestHandler } from 'express';
import { DepotError } from '../index.js';

/**
 * Passes GET and HEAD on.
 *
 * @throws DepotError `METHOD_NOT_ALLOWED`; the answer then says what is allowed
 */
export const onlyReads: RequestHandler = (req, res, next) => {
  if (req.method === 'GET' || req.method === 'HEAD') return next();
  res.setHeader('Allow', 'GET, HEAD');
  throw new DepotError('METHOD_NOT_ALLOWED', `${req.method} is not for this address`);
};
