/**
 * `GET /NAME?ac-discovery=1`: where images and their keys are, for clients that know nothing but a name. appc/spec,
 * spec/discovery.md. The name is the host that was asked, then the path; it has no port.
 */
import type { IncomingMessage } from 'node:http';
import type { Request, RequestHandler } from 'express';
import { DepotError, isAcIdentifier, publishedKeys } from '../index.js';
import { escapeHtml, pageHeaders } from './html.js';
import { originOf } from './origin.js';
import { splitTarget } from './request-target.js';

/**
 * Knows names of images, one function for each place that has some.
 *
 * @param name - an AC Identifier that begins with a host, such as `example.com/coreos/etcd`
 * @param req - of the client that asks, where what it may know depends on that
 * @returns if there is an image of that name, or one whose name goes on with a slash: where to fetch it, a path with the
 *   variables `{name}`, `{version}`, `{os}`, `{arch}` and `{ext}`, the last one `aci` or `aci.asc`; else `undefined`
 */
export type ImageNames = (name: string, req: IncomingMessage) => Promise<string | undefined>;

/** What discovery works with. */
export interface DiscoveryOptions {
  /** rkt takes the first template that fits, so the first place that knows a name has it. */
  readonly sources: readonly ImageNames[];
  readonly keysDir: string;
  readonly publicUrl?: string | undefined;
}

const HEADERS = { ...pageHeaders(), 'Cache-Control': 'no-cache' };

/** Answers questions of discovery, whatever their path; other requests pass. */
export function discoveryHandler({ sources, keysDir, publicUrl }: DiscoveryOptions): RequestHandler {
  const look = publishedKeys(keysDir);
  return async (req, res, next) => {
    if (!isDiscovery(req)) return next();
    const name = nameIn(req);
    const known = await Promise.all(
      sources.map((source) => (name === undefined ? undefined : source(name, req))),
    );
    const templates = new Set(known.filter((template) => template !== undefined));
    if (name === undefined || templates.size === 0) {
      throw new DepotError('NOT_FOUND', 'no image here has that name, nor one that begins with it');
    }
    const origin = originOf(req, publicUrl);
    const hasKey = (await look()).current !== undefined;
    const page = discoveryPage(name, [
      ...[...templates].map((template) => ['ac-discovery', `${origin}${template}`] as const),
      ...(hasKey ? [['ac-discovery-pubkeys', `${origin}/keys/pubkey.asc`] as const] : []),
    ]);
    res.set({ ...HEADERS, 'Content-Length': String(Buffer.byteLength(page)) });
    res.end(page);
  };
}

function isDiscovery(req: Request): boolean {
  if (!req.url.includes('ac-discovery') || (req.method !== 'GET' && req.method !== 'HEAD')) return false;
  return new URLSearchParams(splitTarget(req.url).query).get('ac-discovery') === '1';
}

/** The name that is asked about; `undefined` for what can be none. */
function nameIn(req: Request): string | undefined {
  const host = (req.headers.host ?? '').toLowerCase().replace(/:\d{1,5}$/, '');
  const path = splitTarget(req.url).path.replace(/\/$/, '');
  const name = host + path;
  return isAcIdentifier(host) && !host.includes('/') && isAcIdentifier(name) ? name : undefined;
}

/** Tags come first: clients read no further than they must. */
function discoveryPage(name: string, tags: readonly (readonly [string, string])[]): string {
  const lines = tags.map(
    ([tag, address]) => `<meta name="${tag}" content="${escapeHtml(name)} ${escapeHtml(address)}">\n`,
  );
  return `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
${lines.join('')}<title>${escapeHtml(name)}</title>
<p>Images of ${escapeHtml(name)} are found by name: <code>rkt fetch NAME:VERSION</code>
</html>
`;
}
