/** Labels: what an image is a variant of. appc/spec, spec/aci.md, "Image Manifest Schema". */
import { z } from 'zod';
import { identifier, listOf, type NamedValue, refuseRepeated, text, valueNamed } from './manifest-values.js';

/** The operating systems and architectures that rkt and actool of appc 0.8.11 know. */
const ARCHITECTURES: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'linux',
    [
      ...['amd64', 'i386', 'aarch64', 'aarch64_be', 'armv6l', 'armv7l', 'armv7b'],
      ...['ppc64', 'ppc64le', 's390x'],
    ],
  ],
  ['freebsd', ['amd64', 'i386', 'arm']],
  ['darwin', ['x86_64', 'i386']],
]);

/** A list of labels: names unique and never `name`; an `os`, and an `arch` beside it, are known ones. */
export const labelList = listOf(z.object({ name: identifier, value: text })).superRefine(
  (labels, context) => {
    refuseRepeated(labels, context);
    for (const [index, { name }] of labels.entries()) {
      if (name === 'name') {
        const message = 'is "name", which appc keeps for the name of the image';
        context.addIssue({ code: 'custom', path: [index, 'name'], message });
      }
    }
    refuseUnknownPlatform(labels, context);
  },
);

function refuseUnknownPlatform(labels: readonly NamedValue[], context: z.RefinementCtx): void {
  const os = valueNamed(labels, 'os');
  if (os === undefined) return;
  const known = ARCHITECTURES.get(os);
  if (known === undefined) {
    const choice = [...ARCHITECTURES.keys()].join(', ');
    context.addIssue(`the os is ${JSON.stringify(os)}, expected one of ${choice}`);
    return;
  }
  const arch = valueNamed(labels, 'arch');
  if (arch === undefined || known.includes(arch)) return;
  context.addIssue(`the arch is ${JSON.stringify(arch)}, expected for ${os} one of ${known.join(', ')}`);
}
