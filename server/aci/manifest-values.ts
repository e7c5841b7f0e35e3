/** What the parts of a manifest have in common. As in Go's JSON, `null` is the same as not there. */
import { z } from 'zod';
import { AC_IDENTIFIER_RULE, AC_NAME_RULE, isAcIdentifier, isAcName } from './ac-name.js';

/** Something with a name and a value: a label, an annotation, an environment variable. */
export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

/** A value that may be missing or `null`. */
export function optional<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => value ?? undefined, schema.optional());
}

/** No image needs a longer list, and every broken item of a list is a problem to be told. */
const LIST_LIMIT = 100_000;

/** A list; missing and `null` are the empty list. */
export function listOf<Schema extends z.ZodType>(item: Schema) {
  return z.preprocess((value, context) => {
    if (!Array.isArray(value) || value.length <= LIST_LIMIT) return value ?? [];
    context.addIssue(`has ${value.length} items, expected at most ${LIST_LIMIT}`);
    return [];
  }, z.array(item));
}

/** A text; missing and `null` are the empty text. */
export const text = z.preprocess((value) => value ?? '', z.string());

/** A truth value; missing and `null` are false. */
export const flag = z.preprocess((value) => value ?? false, z.boolean());

/** A whole number that is not negative; missing and `null` are 0. */
export const count = z.preprocess(
  (value) => value ?? 0,
  z.int().nonnegative('is negative, expected 0 or more'),
);

/** An AC Identifier that must be there. */
export const identifier = z.string().superRefine((value, context) => {
  if (!isAcIdentifier(value)) {
    context.addIssue(`is ${JSON.stringify(value)}, expected an AC identifier: ${AC_IDENTIFIER_RULE}`);
  }
});

/** An AC Name that must be there. */
export const acName = z.string().superRefine((value, context) => {
  if (!isAcName(value)) {
    context.addIssue(`is ${JSON.stringify(value)}, expected an AC name: ${AC_NAME_RULE}`);
  }
});

/** Adds an issue for every item whose name an earlier one has. */
export function refuseRepeated(items: readonly { readonly name: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  for (const [index, { name }] of items.entries()) {
    if (seen.has(name)) {
      const message = `${JSON.stringify(name)} is there twice, expected once`;
      context.addIssue({ code: 'custom', path: [index, 'name'], message });
    }
    seen.add(name);
  }
}

/** The value of the item of that name, if there is one. */
export function valueNamed(items: readonly NamedValue[], name: string): string | undefined {
  return items.find((item) => item.name === name)?.value;
}
