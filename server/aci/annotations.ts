/** Annotations: what is told of an image. appc/spec, spec/aci.md, "Image Manifest Schema". */
import { z } from 'zod';
import { identifier, listOf, type NamedValue, refuseRepeated, text, valueNamed } from './manifest-values.js';

/** A list of annotations: names unique; `created`, `homepage` and `documentation` in their forms. */
export const annotationList = listOf(z.object({ name: identifier, value: text })).superRefine(
  (annotations, context) => {
    refuseRepeated(annotations, context);
    refuseUnless(annotations, 'created', isRfc3339, 'a date as RFC 3339 writes it', context);
    for (const name of ['homepage', 'documentation']) {
      refuseUnless(annotations, name, isWebAddress, 'an http or https URL', context);
    }
  },
);

function refuseUnless(
  annotations: readonly NamedValue[],
  name: string,
  isGood: (value: string) => boolean,
  expected: string,
  context: z.RefinementCtx,
): void {
  const value = valueNamed(annotations, name);
  if (value === undefined || isGood(value)) return;
  context.addIssue(`${name} is ${JSON.stringify(value)}, expected ${expected}`);
}

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Whether a text is a date and time as RFC 3339 writes it, a real day among them. */
export function isRfc3339(value: string): boolean {
  const match = RFC3339.exec(value);
  if (match === null) return false;
  const [year, month, day] = match.slice(1).map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year ?? 0, (month ?? 0) - 1, day);
  return date.getUTCMonth() + 1 === month && date.getUTCDate() === day;
}

function isWebAddress(value: string): boolean {
  if (!URL.canParse(value) || /\p{Cc}/u.test(value)) return false;
  return ['http:', 'https:'].includes(new URL(value).protocol);
}
