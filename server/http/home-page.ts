/** `GET /`: what is here and how to use it, for eyes in a browser and in curl. */
import type { RepositoryName } from '../index.js';
import { escapeHtml, pageHeaders } from './html.js';
import { type ListPage, moreLinks } from './list-page.js';
import { hostOf } from './origin.js';

/** What the page speaks of. */
export interface HomePageFacts {
  /** Where clients reach this server, without a slash at its end. */
  readonly origin: string;
  /** Whether folders are listed. */
  readonly listing: boolean;
  readonly repositories: ListPage<RepositoryName>;
}

const STYLE = `
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid #8886; border-radius: .4rem }
h1, h2, li { overflow-wrap: anywhere }
`;

/** The headers of this page and of those below it. */
export const HOME_PAGE_HEADERS = { ...pageHeaders(STYLE), 'Cache-Control': 'no-cache' };

/** How each of these pages begins. */
export function pageHead(title: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
`;
}

/** The page. */
export function homePage({ origin, listing, repositories }: HomePageFacts): string {
  const base = escapeHtml(origin);
  const assets = listing ? '<a href="/assets/">/assets/</a>' : '/assets/';
  return `${pageHead('bootdepot')}
<h1>bootdepot</h1>
<p>What machines pull while they boot, signed with OpenPGP.

<ul>
<li>${assets} kernels, images and ACIs, with their signatures
<li><a href="#repositories">/v2/</a> container images, for docker, containerd, podman and skopeo
<li><a href="/keys/pubkey.asc">/keys/pubkey.asc</a> the certificate that signs them; /keys/pubkey.gpg is the same for gpgv
<li><a href="/client/">/client/</a> configuration for machines: docker, containerd, podman, rkt, k3s, dnsmasq and more
<li><a href="/readyz">/readyz</a>, <a href="/healthz">/healthz</a>, <a href="/metrics">/metrics</a> how this server is
</ul>

<h2>Fetch a file and check its signature</h2>
<pre>
curl -fO ${base}/keys/pubkey.gpg
curl -fO ${base}/assets/NAME.aci
curl -fO ${base}/assets/NAME.aci.asc
gpgv --keyring ./pubkey.gpg NAME.aci.asc NAME.aci
</pre>

<h2>Trust the certificate in rkt</h2>
<pre>
rkt trust --root --insecure-allow-http ${base}/keys/pubkey.asc
rkt fetch ${base}/assets/NAME.aci
</pre>
<p>rkt shows the fingerprint and asks: compare it with the one the operator of this server gives you.
<p>Where this server has port 443 or 80, rkt finds the ACIs by name, too: <code>rkt fetch NAME:VERSION</code>

<h2 id="repositories">Repositories</h2>
${repositoryList(origin, repositories)}</html>
`;
}

function repositoryList(origin: string, page: ListPage<RepositoryName>): string {
  if (page.items.length === 0 && page.first) return firstPush(origin);
  const lines = page.items.map((name) => {
    const text = escapeHtml(name);
    return `<li><a href="/repositories/${text}">${text}</a>\n`;
  });
  return `<p>Each with its tags and the commands that pull them.\n<ul>\n${lines.join('')}</ul>\n${moreLinks('/', page)}`;
}

function firstPush(origin: string): string {
  const host = escapeHtml(hostOf(origin));
  const flag = origin.startsWith('http:') ? '--dest-tls-verify=false ' : '';
  return `<p>None yet. The first image, from a machine that may push (<code>registry.write</code>; this one alone by default):
<pre>
skopeo copy ${flag}docker-archive:IMAGE.tar docker://${host}/NAME:TAG
docker tag IMAGE ${host}/NAME:TAG
docker push ${host}/NAME:TAG
</pre>
`;
}
