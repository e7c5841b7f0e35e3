/** The routes, in one table. */
import express, { type Express, type RequestHandler, type Router } from 'express';
import { DepotError, type Logger } from '../index.js';
import { createFailureHandler } from './failure.js';
import { IMAGES_BY_NAME } from './images-by-name.js';

/** What the routes are made of. */
export interface AppOptions {
  readonly logger: Logger;
  readonly assets: Router;
  readonly health: Router;
  readonly keys: Router;
  readonly clients: Router;
  readonly home: Router;
  readonly discovery: RequestHandler;
  readonly imagesByName: Router;
  readonly acis: Router;
  readonly lookaside: RequestHandler;
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

  // A name that is asked about may look like any path.
  app.use(options.discovery);
  app.use('/assets', options.assets);
  app.use(IMAGES_BY_NAME, options.imagesByName);
  app.use('/aci', options.acis);
  app.use('/keys', options.keys);
  app.use('/client', options.clients);
  app.use('/lookaside', options.lookaside);
  app.use(options.health);
  app.use(options.home);
  app.use((req) => {
    throw new DepotError('NOT_FOUND', `nothing is at ${req.path}`);
  });
  app.use(createFailureHandler(options.logger));
  return app;
}
