/** Who a key belongs to, as clients see it: `Name <email>` (RFC 9580, section 5.11). */
import { DepotError } from '../errors.js';

/** A checked name and address; {@link parseUserId} makes them. */
export interface UserId {
  readonly name: string;
  readonly email: string;
}

const MAX_LENGTH = 200;

/**
 * Checks what a person typed.
 *
 * @throws DepotError `USAGE`: an empty name, characters that would break the form, or no e-mail address
 */
export function parseUserId(name: string, email: string): UserId {
  const trimmed = { name: name.trim(), email: email.trim() };
  if (!/^[^<>()\p{C}]+$/u.test(trimmed.name) || trimmed.name.length > MAX_LENGTH) {
    throw new DepotError('USAGE', `--name: expected a name without < > ( ), got ${JSON.stringify(name)}`);
  }
  if (!/^[^\s<>()@\p{C}]+@[^\s<>()@\p{C}]+$/u.test(trimmed.email) || trimmed.email.length > MAX_LENGTH) {
    throw new DepotError(
      'USAGE',
      `--email: expected an address such as ops@example.com, got ${JSON.stringify(email)}`,
    );
  }
  return trimmed;
}

/** Takes a user id apart; `undefined` where it has another form than ours. */
export function splitUserId(text: string): UserId | undefined {
  const [, name, email] = /^([^<>()]+) <([^\s<>()]+@[^\s<>()]+)>$/.exec(text) ?? [];
  return name === undefined || email === undefined ? undefined : { name, email };
}
