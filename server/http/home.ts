/** The pages for eyes: `/`, and one for each repository below `/repositories/`. */
import type { IncomingMessage } from 'node:http';
import { type Request, type Response, Router } from 'express';
import { DepotError, parseRepositoryName, type Registry, type RepositoryName } from '../index.js';
import { HOME_PAGE_HEADERS, homePage } from './home-page.js';
import { listPageOf } from './list-page.js';
import { onlyReads } from './only-reads.js';
import { originOf } from './origin.js';
import { repositoryPage } from './repository-page.js';
import { splitTarget } from './request-target.js';

/** What the pages are made of. */
export interface HomeOptions {
  readonly registry: Pick<Registry, 'catalog' | 'tags'>;
  /** Whether folders of assets are listed. */
  readonly listing: boolean;
  readonly publicUrl?: string | undefined;
  /** Whether a client may know of a repository; all of them by default. */
  readonly mayRead?: (req: IncomingMessage, repository: RepositoryName) => boolean;
}

/** The routes `/` and `/repositories/NAME`. */
export function homeRouter({ registry, listing, publicUrl, mayRead = () => true }: HomeOptions): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route('/')
    .all(onlyReads)
    .get(async (req, res) => {
      const all = await registry.catalog.list();
      const readable = all.filter((repository) => mayRead(req, repository));
      answerPage(
        res,
        homePage({
          origin: originOf(req, publicUrl),
          listing,
          repositories: listPageOf(readable, lastIn(req)),
        }),
      );
    });
  router
    .route(/^\/repositories\/(.+)$/)
    .all(onlyReads)
    .get(async (req, res) => {
      const repository = parseRepositoryName(req.params[0] ?? '');
      const all = mayRead(req, repository) ? await registry.tags.list(repository) : undefined;
      if (all === undefined) throw new DepotError('NAME_UNKNOWN', `there is no repository ${repository}`);
      const { items, ...more } = listPageOf(all, lastIn(req));
      const tags = await Promise.all(
        items.map(async (tag) => ({ tag, digest: await registry.tags.current(repository, tag) })),
      );
      answerPage(
        res,
        repositoryPage({ origin: originOf(req, publicUrl), repository, tags: { items: tags, ...more } }),
      );
    });
  return router;
}

function lastIn(req: Request): string | null {
  return new URLSearchParams(splitTarget(req.url).query).get('last');
}

function answerPage(res: Response, page: string): void {
  res.set({ ...HOME_PAGE_HEADERS, 'Content-Length': String(Buffer.byteLength(page)) });
  res.end(page);
}
