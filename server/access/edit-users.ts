/** Changes to a file of users. Lines of others, comments among them, stay as they are. */
import { readFile, stat } from 'node:fs/promises';
import { hash } from 'bcryptjs';
import { writeFileAtomically } from '../disk/atomic-file.js';
import { DepotError, fileError, systemCode } from '../errors.js';
import { isUserName, parseHtpasswd } from './htpasswd.js';

/** Takes about 70 ms a login; what `htpasswd` makes by itself is far weaker. */
const COST = 10;
/** bcrypt looks at no more. */
const MOST_PASSWORD_BYTES = 72;

/**
 * Adds a user, or gives one another password.
 *
 * @returns whether there was such a user already
 * @throws DepotError `USAGE`: a name that cannot be one, or no password, or one of which bcrypt would pass over a part;
 *   `ACCESS_DENIED`, `DISK_FULL`, `NOT_FOUND` (no such folder)
 */
export async function setUser(path: string, user: string, password: string): Promise<boolean> {
  if (!isUserName(user)) {
    throw new DepotError('USAGE', `expected a name without spaces and colons, got ${JSON.stringify(user)}`);
  }
  const bytes = Buffer.byteLength(password);
  if (bytes === 0 || bytes > MOST_PASSWORD_BYTES) {
    throw new DepotError('USAGE', `expected a password of 1 to ${MOST_PASSWORD_BYTES} bytes`);
  }
  // The letter that Apache and docker-registry write; the hash is the same.
  const hashed = (await hash(password, COST)).replace(/^\$2b\$/, '$2y$');
  const lines = await readLines(path);
  const others = lines.filter((line) => !isOf(user, line));
  await write(path, [...others, `${user}:${hashed}`]);
  return others.length < lines.length;
}

/**
 * Removes a user.
 *
 * @throws DepotError `NOT_FOUND`: there is no such user; `ACCESS_DENIED`, `DISK_FULL`
 */
export async function removeUser(path: string, user: string): Promise<void> {
  const lines = await readLines(path);
  const others = lines.filter((line) => !isOf(user, line));
  if (others.length === lines.length) {
    throw new DepotError('NOT_FOUND', `${path} has no user ${user}`, { user });
  }
  await write(path, others);
}

/**
 * The users of a file who can log in, and the lines that do not count.
 *
 * @throws DepotError `ACCESS_DENIED`, `IO_FAILED`
 */
export async function listUsers(
  path: string,
): Promise<{ readonly users: readonly string[]; readonly refused: readonly string[] }> {
  const { hashes, refused } = parseHtpasswd((await readLines(path)).join('\n'));
  return {
    users: [...hashes.keys()].sort(),
    refused: refused.map(({ line, user, reason }) => `line ${line}${user && ` (${user})`} has ${reason}`),
  };
}

function isOf(user: string, line: string): boolean {
  return line.trim().startsWith(`${user}:`);
}

async function readLines(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n').filter((line) => line.trim() !== '');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw fileError(error, path);
  }
}

/** A file that is there keeps its mode: another program may have to read it. */
async function write(path: string, lines: readonly string[]): Promise<void> {
  const mode = await stat(path).then(
    (info) => info.mode & 0o777,
    () => 0o600,
  );
  await writeFileAtomically(path, lines.map((line) => `${line}\n`).join(''), { mode });
}
