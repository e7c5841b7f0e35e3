/** Whether a request may do what it is about, decided from its head alone. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Access,
  type Action,
  type Caller,
  DepotError,
  type Logger,
  parseRepositoryName,
} from '../../index.js';
import { originOf } from '../origin.js';
import { noteFacts } from '../request-facts.js';
import { type Authorization, BASIC_CHALLENGE, bearerChallenge, readAuthorization } from './authorization.js';
import { isLocal } from './local.js';
import type { RegistryAddress } from './route.js';

/** What admission needs. */
export interface Gate {
  readonly access: Access;
  /** Whether anything may be deleted at all. */
  readonly deletes: boolean;
  readonly publicUrl: string | undefined;
  readonly logger: Logger;
}

/**
 * Lets a request pass, or says why not, with the challenge that a login begins with.
 *
 * @returns who asks, for what only he may see
 * @throws DepotError `LOGIN_REQUIRED`, `ACCESS_DENIED`, `TOO_MANY_REQUESTS`; `METHOD_NOT_ALLOWED`: deletion is off;
 *   `NAME_INVALID`
 */
export async function admit(
  req: IncomingMessage,
  res: ServerResponse,
  address: RegistryAddress,
  gate: Gate,
): Promise<Caller> {
  const given = givenBy(req, gate);
  try {
    const caller = await callerOf(given, req, gate);
    if (address.kind === 'base') askToLogIn(given, caller, gate);
    if ('name' in address) requireRight(req, address, caller, gate);
    return caller;
  } catch (error) {
    if (error instanceof DepotError && error.code === 'LOGIN_REQUIRED') {
      res.setHeader('WWW-Authenticate', challengeOf(req, address, given, gate));
    }
    throw error;
  }
}

/**
 * The same for a request that writes to the whole depot: it needs the right that holds where no rule says another.
 *
 * @throws DepotError `LOGIN_REQUIRED`, `ACCESS_DENIED`, `TOO_MANY_REQUESTS`
 */
export async function admitWriter(req: IncomingMessage, res: ServerResponse, gate: Gate): Promise<Caller> {
  try {
    const caller = await callerOf(givenBy(req, gate), req, gate);
    gate.access.requireWrite(caller);
    return caller;
  } catch (error) {
    if (error instanceof DepotError && error.code === 'LOGIN_REQUIRED') {
      res.setHeader('WWW-Authenticate', BASIC_CHALLENGE);
    }
    throw error;
  }
}

function givenBy(req: IncomingMessage, { access }: Gate): Authorization {
  return access.usesLogins ? readAuthorization(req.headers.authorization) : { scheme: 'none' };
}

async function callerOf(given: Authorization, req: IncomingMessage, gate: Gate): Promise<Caller> {
  const user = await userOf(given, req, gate);
  if (user !== undefined) noteFacts(req, { user });
  return { user, local: isLocal(req) };
}

async function userOf(given: Authorization, req: IncomingMessage, gate: Gate): Promise<string | undefined> {
  if (given.scheme === 'none') return undefined;
  if (given.scheme === 'bearer') return gate.access.userOf(given.token);
  const remote = req.socket.remoteAddress ?? '';
  try {
    // What cannot be read is answered like a wrong password, and as late.
    const credentials = given.scheme === 'basic' ? given.credentials : { user: '', password: '' };
    return await gate.access.logIn(credentials, remote);
  } catch (error) {
    if (error instanceof DepotError) gate.logger.warn({ remote, code: error.code }, 'a login failed');
    throw error;
  }
}

/** Clients that log in do so when the first address they ask for says that it may be of use. */
function askToLogIn(given: Authorization, caller: Caller, { access }: Gate): void {
  if (given.scheme === 'none' && access.gainsByLogin(caller)) {
    throw new DepotError('LOGIN_REQUIRED', 'log in, or ask for a token without a name');
  }
}

function requireRight(
  { method }: IncomingMessage,
  address: RegistryAddress & { readonly name: string },
  caller: Caller,
  { access, deletes }: Gate,
): void {
  const action = actionOf(method, address.kind);
  if (action === 'delete' && !deletes) {
    throw new DepotError('METHOD_NOT_ALLOWED', 'deleting is off: see registry.delete');
  }
  access.require(caller, action, parseRepositoryName(address.name));
}

/** An upload is a push from its beginning to its end, also to ask how far it is or to give it up. */
function actionOf(method: string | undefined, kind: RegistryAddress['kind']): Action {
  if (kind === 'uploads' || kind === 'upload') return 'push';
  if (method === 'GET' || method === 'HEAD') return 'read';
  return method === 'DELETE' ? 'delete' : 'push';
}

function challengeOf(
  req: IncomingMessage,
  address: RegistryAddress,
  { scheme }: Authorization,
  { publicUrl }: Gate,
): string {
  const bearer = scheme === 'bearer' || (scheme === 'none' && address.kind === 'base');
  if (!bearer) return BASIC_CHALLENGE;
  const scope = 'name' in address ? `repository:${address.name}:pull,push` : undefined;
  // Who came by TLS is not sent elsewhere with his password, where there may be none.
  return bearerChallenge(originOf(req, 'encrypted' in req.socket ? undefined : publicUrl), scope);
}
