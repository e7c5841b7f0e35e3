/** How an image is run. appc/spec, spec/aci.md, `app`; the rules of the appc library in rkt and actool. */
import { z } from 'zod';
import { type Isolator, isolatorList } from './isolators.js';
import {
  acName,
  count,
  flag,
  listOf,
  type NamedValue,
  optional,
  refuseRepeated,
  text,
} from './manifest-values.js';

/** A port the app listens on, or a range of them. */
export interface Port {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  /** Ports in the range; 0 and 1 mean one. */
  readonly count: number;
  readonly socketActivated: boolean;
}

/** A place where a volume belongs. */
export interface MountPoint {
  readonly name: string;
  readonly path: string;
  readonly readOnly: boolean;
}

/** What runs before or after the app. */
export interface EventHandler {
  readonly name: 'pre-start' | 'post-stop';
  readonly exec: readonly string[];
}

/** The `app` of a manifest; lists that are not there are empty. */
export interface App {
  /** Program and arguments. */
  readonly exec: readonly string[];
  readonly user: string;
  readonly group: string;
  readonly supplementaryGIDs: readonly number[];
  /** Absolute, or empty where none is said. */
  readonly workingDirectory: string;
  readonly environment: readonly NamedValue[];
  readonly mountPoints: readonly MountPoint[];
  readonly ports: readonly Port[];
  readonly eventHandlers: readonly EventHandler[];
  readonly isolators: readonly Isolator[];
  readonly userLabels?: Readonly<Record<string, string>> | undefined;
  readonly userAnnotations?: Readonly<Record<string, string>> | undefined;
}

const variable = z.object({
  name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]*$/, 'expected a letter or _, then letters, digits, _ . -'),
  value: text,
});

const port = z
  .object({
    name: acName,
    protocol: z.string(),
    port: z.int().min(1, 'expected 1 to 65535').max(65_535, 'expected 1 to 65535'),
    count,
    socketActivated: flag,
  })
  .refine((value) => value.port + value.count <= 65_536, 'the range ends above 65535');

const eventHandler = z.object({ name: z.enum(['pre-start', 'post-stop']), exec: listOf(z.string()) });

const directory = text.refine((value) => value === '' || value.startsWith('/'), {
  error: ({ input }) => `is ${JSON.stringify(input)}, expected an absolute path`,
});

const required = z.string().min(1, 'is empty, expected a name or a number as text');

/** Reads an `app`. */
export const app: z.ZodType<App> = z.object({
  exec: listOf(z.string()),
  user: required,
  group: required,
  supplementaryGIDs: listOf(z.int()),
  workingDirectory: directory,
  environment: listOf(variable).superRefine(refuseRepeated),
  mountPoints: listOf(z.object({ name: acName, path: z.string(), readOnly: flag })),
  ports: listOf(port),
  eventHandlers: listOf(eventHandler).superRefine(refuseRepeated),
  isolators: isolatorList,
  userLabels: optional(z.record(z.string(), text)),
  userAnnotations: optional(z.record(z.string(), text)),
});
