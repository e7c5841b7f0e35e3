/** Redirects, followed by hand: a place that an upstream names is asked, but never shown what is meant for the upstream. */
import type { Dial, DialRequest, Reply } from './dial.js';
import { upstreamFailed } from './failures.js';

/** More than that is a loop. */
const MOST_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** A request that may be redirected. */
export interface FollowedRequest extends DialRequest {
  /** The upstream's name, for messages. */
  readonly upstream: string;
  /** Whether the bytes are checked against a digest, so that it does not matter who sends them. */
  readonly verified: boolean;
}

/** The last answer, and who gave it. */
export interface FollowedReply {
  readonly reply: Reply;
  readonly url: URL;
}

/**
 * Asks, and follows redirects. `Authorization` stays with the scheme, host and port it was meant for; once it was dropped
 * it does not come back.
 *
 * @throws DepotError `UPSTREAM_FAILED`: a loop, or a way that leads nowhere; whatever the connection throws
 */
export async function askFollowing(dial: Dial, start: URL, request: FollowedRequest): Promise<FollowedReply> {
  let url = start;
  let { headers } = request;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
    const reply = await dial.ask(url, { ...request, headers });
    if (!REDIRECTS.has(reply.status)) return { reply, url };
    reply.drop();
    const next = targetOf(reply, url, request);
    if (next.origin !== url.origin) {
      const { authorization: _, ...others } = headers;
      headers = others;
    }
    url = next;
  }
  throw upstreamFailed(request.upstream, 'redirects in a loop');
}

function targetOf({ headers }: Reply, from: URL, { upstream, verified }: FollowedRequest): URL {
  const { location } = headers;
  const target =
    typeof location === 'string' && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (target === undefined || !/^https?:$/.test(target.protocol)) {
    throw upstreamFailed(upstream, 'redirects to nowhere');
  }
  if (from.protocol === 'https:' && target.protocol === 'http:' && !verified) {
    throw upstreamFailed(upstream, 'redirects from https to http');
  }
  return target;
}
