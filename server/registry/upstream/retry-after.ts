/** When to ask again. */

/**
 * Reads `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
 *
 * @returns milliseconds from now, not below 0; `undefined` if the field is missing or makes no sense
 */
export function retryAfterMs(field: string | readonly string[] | undefined): number | undefined {
  if (typeof field !== 'string') return undefined;
  if (/^\d{1,9}$/.test(field)) return Number(field) * 1000;
  const at = Date.parse(field);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
