/** The two kinds of names of appc. appc/spec, spec/types.md. */

/** In words, for messages about a name that is none. */
export const AC_IDENTIFIER_RULE = 'a-z, 0-9 and, inside, - . _ ~ /';
export const AC_NAME_RULE = 'a-z, 0-9 and, inside, -';

/**
 * Whether a text is an AC Identifier, as the names of images, labels and annotations are. The specification's
 * pattern forbids two marks side by side; rkt and actool accept them, and names of converted images have them.
 */
export function isAcIdentifier(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9\-._~/]*[a-z0-9])?$/.test(text);
}

/** Whether a text is an AC Name, as the names of ports and mount points are. */
export function isAcName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text);
}
