/** Durations and sizes as a configuration writes them: `30s`, `5GiB`. */
import bytes from 'bytes';
import ms from 'ms';

const DURATION = /^\d+(?:\.\d+)?(?:ms|s|m|h|d|w|y)$/;
const SIZE = /^\d+(?:\.\d+)?(?:B|KiB|MiB|GiB|TiB)$/;

/**
 * Reads a duration: a number and one of `ms s m h d w y`, without a space.
 *
 * @returns whole milliseconds, or `undefined` for any other text
 */
export function parseDuration(text: string): number | undefined {
  return isDuration(text) ? countable(ms(text)) : undefined;
}

/**
 * Reads a size: a number and one of `B KiB MiB GiB TiB` (steps of 1024), without a space. Decimal units are
 * refused, because half of the world means 1024 by them.
 *
 * @returns whole bytes, or `undefined` for any other text
 */
export function parseSize(text: string): number | undefined {
  if (!SIZE.test(text)) return undefined;
  const sizeBytes = bytes.parse(text.replace('iB', 'B'));
  return sizeBytes === null ? undefined : countable(sizeBytes);
}

function isDuration(text: string): text is ms.StringValue {
  return DURATION.test(text);
}

function countable(value: number): number | undefined {
  const whole = Math.round(value);
  return Number.isSafeInteger(whole) ? whole : undefined;
}
