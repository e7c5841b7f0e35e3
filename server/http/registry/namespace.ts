/** Which repository is meant: containerd asks a mirror for `coreos/flannel` and says beside it that it is quay.io's. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type PullThrough, parseRepositoryName } from '../../index.js';
import { noteFacts } from '../request-facts.js';
import type { RegistryAddress } from './route.js';

/**
 * Puts the name of the repository here in the place of the one that the client used, whether it reads or writes: what is
 * pushed beside a name is found beside the same name.
 *
 * @throws DepotError `NAME_INVALID`
 */
export async function locate(
  req: IncomingMessage,
  res: ServerResponse,
  address: RegistryAddress,
  pullThrough: PullThrough,
): Promise<RegistryAddress> {
  if (!('name' in address)) return address;
  const told = address.query.get('ns') ?? undefined;
  const namespace = told === req.headers.host ? undefined : told;
  const { name, namespace: used } = await pullThrough.locate(address.name, namespace);
  if (name !== address.name) noteFacts(req, { repository: parseRepositoryName(name) });
  if (used !== undefined) res.setHeader('OCI-Namespace', used);
  return { ...address, name };
}
