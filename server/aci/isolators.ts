/** Isolators: limits and rights of an app. appc/spec, spec/ace.md, "Isolators"; the rules of the appc library. */
import { z } from 'zod';
import { flag, listOf, optional, text } from './manifest-values.js';

/** One isolator, such as `resource/memory` with `{ limit: '1Gi' }`. */
export interface Isolator {
  readonly name: string;
  readonly value: unknown;
}

const QUANTITY = /^\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?\s*$/;

const quantity = optional(
  z
    .union([z.number(), z.string()])
    .refine(
      (value) => typeof value === 'number' || QUANTITY.test(value),
      'expected a quantity such as 500m or 1Gi',
    ),
);

const resource = z.object({ default: flag, request: quantity, limit: quantity });

const limitedResource = resource.refine((value) => !value.default, {
  path: ['default'],
  error: 'is true, expected false',
});

const sharedResource = resource
  .refine((value) => value.default, { path: ['default'], error: 'is false, expected true' })
  .refine((value) => value.request === undefined, {
    path: ['request'],
    error: 'is there, expected a limit only',
  });

const nameSet = z.array(z.string()).min(1, 'is empty, expected a name');
const capabilities = z.object({ set: nameSet });
const systemCalls = z.object({
  set: nameSet,
  errno: text.refine((errno) => /^(?:E.*)?$/.test(errno), 'expected E…'),
});
const contextPart = z.string().regex(/^[^:]+$/, 'expected a text without colons');

const VALUES: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['os/linux/capabilities-remove-set', capabilities],
  ['os/linux/capabilities-retain-set', capabilities],
  ['os/linux/cpu-shares', z.int().min(2, 'is less than 2').max(262_144, 'is more than 262144')],
  ['os/linux/no-new-privileges', z.boolean()],
  ['os/linux/oom-score-adj', z.int().min(-1000, 'is less than -1000').max(1000, 'is more than 1000')],
  ['os/linux/seccomp-remove-set', systemCalls],
  ['os/linux/seccomp-retain-set', systemCalls],
  [
    'os/linux/selinux-context',
    z.object({ user: contextPart, role: contextPart, type: contextPart, level: z.string().min(1) }),
  ],
  ['os/unix/sysctl', z.record(z.string(), text)],
  ['resource/block-bandwidth', sharedResource],
  ['resource/block-iops', sharedResource],
  ['resource/cpu', limitedResource],
  ['resource/memory', limitedResource],
  ['resource/network-bandwidth', sharedResource],
]);

/** Those that may stand there once. */
const SINGLE: ReadonlySet<string> = new Set([
  'os/linux/cpu-shares',
  'os/linux/oom-score-adj',
  'os/linux/seccomp-remove-set',
  'os/linux/seccomp-retain-set',
  'os/linux/selinux-context',
  'os/unix/sysctl',
]);

/** A list of isolators, each known and with a value of its form. */
export const isolatorList = listOf(z.object({ name: z.string(), value: z.unknown() })).superRefine(
  (isolators, context) => {
    const seen = new Set<string>();
    for (const [index, isolator] of isolators.entries()) {
      refuseBadValue(isolator, index, context);
      if (seen.has(isolator.name) && SINGLE.has(isolator.name)) {
        context.addIssue(`${isolator.name} is there twice, expected once`);
      }
      seen.add(isolator.name);
    }
    if (seen.has('os/linux/seccomp-remove-set') && seen.has('os/linux/seccomp-retain-set')) {
      context.addIssue('seccomp-retain-set and seccomp-remove-set are both there, expected one of them');
    }
  },
);

function refuseBadValue(isolator: Isolator, index: number, context: z.RefinementCtx): void {
  const schema = VALUES.get(isolator.name);
  if (schema === undefined) {
    const message = `is ${JSON.stringify(isolator.name)}, expected an isolator of appc 0.8.11`;
    context.addIssue({ code: 'custom', path: [index, 'name'], message });
    return;
  }
  for (const issue of schema.safeParse(isolator.value).error?.issues ?? []) {
    const path = [index, 'value', ...issue.path];
    context.addIssue({ code: 'custom', path, message: issue.message });
  }
}
