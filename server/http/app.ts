/** The routes, in one table. */
import express, { type Express, type Router } from 'express';
import { DepotError, type Logger } from '../index.js';
import { createFailureHandler } from './failure.js';

/** What the routes are made of. */
export interface AppOptions {
  readonly logger: Logger;
  readonly assets: Router;
  readonly health: Router;
  readonly keys: Router;
  readonly home: Router;
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
  app.use(options.home);
  app.use((req) => {
    throw new DepotError('NOT_FOUND', `nothing is at ${req.path}`);
  });
  app.use(createFailureHandler(options.logger));
  return app;
}
