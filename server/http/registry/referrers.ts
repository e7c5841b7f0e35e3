/** Lists of referrers, in pages. OCI distribution specification, "Listing Referrers". */
import type { ServerResponse } from 'node:http';
import {
  MAX_MANIFEST_BYTES,
  OCI_INDEX,
  type PullThrough,
  parseDigest,
  parseRepositoryName,
} from '../../index.js';
import { answerBytes, warn } from './answer.js';
import { parseCount } from './page.js';

/** The list is an index, which clients read as they read a manifest: no more than that, with room for what is around it. */
const MOST_BYTES = MAX_MANIFEST_BYTES - 1024;

/** The manifests that speak of a digest, which need not be here. */
export async function getReferrers(
  res: ServerResponse,
  address: { readonly name: string; readonly digest: string },
  query: URLSearchParams,
  pullThrough: PullThrough,
): Promise<void> {
  const repository = parseRepositoryName(address.name);
  const subject = parseDigest(address.digest);
  const wanted = query.get('artifactType');
  const { referrers, warning } = await pullThrough.referrers(repository, subject, query.get('last') ?? '');
  if (warning !== undefined) warn(res, warning);
  const { items, last } = await pageOf(query, referrers);
  const text = `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[${items.join(',')}]}`;
  answerBytes(res, 200, Buffer.from(text), {
    'Content-Type': OCI_INDEX,
    ...(wanted !== null && { 'OCI-Filters-Applied': 'artifactType' }),
    ...(last !== undefined && {
      Link: `</v2/${repository}/referrers/${subject}?${nextOf(query, last)}>; rel="next"`,
    }),
  });
}

interface ReferrersPage {
  /** Descriptors in JSON. */
  readonly items: readonly string[];
  /** Behind which there is more; absent if there is not. */
  readonly last?: string;
}

/** As many as the client wants and a manifest may hold. One that is left over shows that there is more. */
async function pageOf(
  query: URLSearchParams,
  referrers: AsyncIterable<{ readonly digest: string; readonly artifactType?: string | undefined }>,
): Promise<ReferrersPage> {
  const most = parseCount(query.get('n'));
  const wanted = query.get('artifactType');
  const items: string[] = [];
  if (most === 0) return { items };
  let bytes = 0;
  let last = '';
  for await (const referrer of referrers) {
    if (wanted !== null && referrer.artifactType !== wanted) continue;
    const item = JSON.stringify(referrer);
    bytes += Buffer.byteLength(item) + 1;
    if (items.length > 0 && (items.length >= most || bytes > MOST_BYTES)) return { items, last };
    items.push(item);
    last = referrer.digest;
  }
  return { items };
}

/** The query of the next page: the same filter and size, from another place on. */
function nextOf(query: URLSearchParams, last: string): URLSearchParams {
  const next = new URLSearchParams({ last });
  for (const name of ['artifactType', 'n']) {
    const value = query.get(name);
    if (value !== null) next.set(name, value);
  }
  return next;
}
