/** Header fields that a receiver wants, from a file, so that secrets stay out of the configuration. */
import { readFile } from 'node:fs/promises';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { DepotError, fileError } from '../../errors.js';

/**
 * Reads lines of `Name: value`; empty ones and those that begin with `#` are passed over.
 *
 * @throws DepotError `CONFIG_INVALID`: a line that is no header field, named by its number alone; as reading fails
 */
export async function readHeadersFile(path: string): Promise<Record<string, string>> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fileError(error, path);
  });
  const headers: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1).trim();
    if (!isField(name, value)) {
      throw new DepotError('CONFIG_INVALID', `${path}:${index + 1}: expected Name: value`, { path });
    }
    headers[name] = value;
  }
  return headers;
}

function isField(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}
