/** `GET /repositories/NAME`: the tags of a repository, with the commands that fetch them. */
import type { Digest, RepositoryName, Tag } from '../index.js';
import { pageHead } from './home-page.js';
import { escapeHtml } from './html.js';
import { type ListPage, moreLinks } from './list-page.js';
import { hostOf } from './origin.js';

/** What the page speaks of. */
export interface RepositoryPageFacts {
  /** Where clients reach this server, without a slash at its end. */
  readonly origin: string;
  readonly repository: RepositoryName;
  /** A tag has no digest where it was deleted a moment ago. */
  readonly tags: ListPage<{ readonly tag: Tag; readonly digest: Digest | undefined }>;
}

/** The page. */
export function repositoryPage({ origin, repository, tags }: RepositoryPageFacts): string {
  const plain = origin.startsWith('http:');
  const image = `${hostOf(origin)}/${repository}`;
  const sections = tags.items.map(({ tag, digest }) =>
    digest === undefined ? '' : tagSection(image, { tag, digest, plain }),
  );
  const none = tags.items.length === 0 ? '<p>No tags.\n' : '';
  return `${pageHead(repository)}
<h1>${escapeHtml(repository)}</h1>
<p><a href="/">All repositories</a>
${none}${plain ? INSECURE : ''}${sections.join('')}${moreLinks(`/repositories/${repository}`, tags)}</html>
`;
}

const INSECURE =
  '<p>Over plain HTTP docker wants this server among its <code>insecure-registries</code>; podman takes <code>--tls-verify=false</code>.\n';

function tagSection(
  image: string,
  { tag, digest, plain }: { readonly tag: Tag; readonly digest: Digest; readonly plain: boolean },
): string {
  const folder = `${image.slice(image.lastIndexOf('/') + 1)}-${tag}`;
  const flag = plain ? '--src-tls-verify=false ' : '';
  return `
<h2>${escapeHtml(tag)}</h2>
<pre>
docker pull ${escapeHtml(`${image}:${tag}`)}
docker pull ${escapeHtml(`${image}@${digest}`)}
skopeo copy ${flag}${escapeHtml(`docker://${image}:${tag} dir:${folder}`)}
</pre>
`;
}
