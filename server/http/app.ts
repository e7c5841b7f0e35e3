/** The routes, in one table. */
import express, { type Express, type Router } from 'express';
import { DepotError, type Logger } from '../index.js';
import { createFailureHandler } from './failure.js';
import { HOME_PAGE_HEADERS, homePage } from './home-page.js';
import { onlyReads } from './only-reads.js';
import { originOf } from './origin.js';

/** What the routes are made of. */
export interface AppOptions {
  readonly logger: Logger;
  readonly assets: Router;
  readonly health: Router;
  readonly keys: Router;
  /** Whether the home page points to the listing. */
  readonly listing: boolean;
  readonly publicUrl?: string | undefined;
}

/** Makes the Express application; it listens to nothing by itself. */
export function createApp(options: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.set('query parser', false);
  // In any other mode the last resort of Express answers with a stack trace.
  app.set('env', 'production');

  app.use('/assets', options.assets);
  app.use('/keys', options.keys);
  app.use(options.health);
  app
    .route('/')
    .all(onlyReads)
    .get((req, res) => {
      const page = homePage({ origin: originOf(req, options.publicUrl), listing: options.listing });
      res.set({ ...HOME_PAGE_HEADERS, 'Content-Length': String(Buffer.byteLength(page)) });
      res.end(page);
    });
  app.use((req) => {
    throw new DepotError('NOT_FOUND', `nothing is at ${req.path}`);
  });
  app.use(createFailureHandler(options.logger));
  return app;
}
