/** Which `Cache-Control` an asset has. */
import { validateHeaderValue } from 'node:http';
import picomatch from 'picomatch';
import { DepotError } from '../index.js';

/** A rule of the configuration. */
export interface CacheRule {
  /** Matched against the asset's name relative to the assets folder, such as `images/*.aci`. */
  readonly glob: string;
  /** The field's value. */
  readonly control: string;
}

/** Caches may keep the file, but ask each time whether it is still the one. */
const ASK_EACH_TIME = 'no-cache';

/**
 * Prepares rules: the first that matches a name counts, and without one caches must ask each time.
 *
 * @throws DepotError `CONFIG_INVALID`: a value that no header may have
 */
export function cacheControlBy(rules: readonly CacheRule[]): (name: string) => string {
  const prepared = rules.map(({ glob, control }) => {
    checkValue(control);
    return { matches: picomatch(glob), control };
  });
  return (name) => prepared.find(({ matches }) => matches(name))?.control ?? ASK_EACH_TIME;
}

function checkValue(control: string): void {
  try {
    validateHeaderValue('Cache-Control', control);
  } catch (cause) {
    const message = `assets.cache: ${JSON.stringify(control)} is no value of a Cache-Control header`;
    throw new DepotError('CONFIG_INVALID', message, { control }, { cause });
  }
}
