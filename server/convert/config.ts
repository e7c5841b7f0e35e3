/** The config of an image. OCI image specification, config.md; Docker image specification v1.2. As in Go, `null` is absent. */
import { z } from 'zod';
import { imageInvalid } from './image-invalid.js';
import { JSON_LIMIT_BYTES } from './limits.js';

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const texts = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? []);
/** An object whose members count by their names alone. */
const keys = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => (value == null ? undefined : Object.keys(value)));

const RUN_CONFIG = z.object({
  User: text,
  ExposedPorts: keys,
  PortSpecs: texts,
  Env: texts,
  Entrypoint: texts,
  Cmd: texts,
  Volumes: keys,
  WorkingDir: text,
  Labels: z.record(z.string(), text).nullish(),
});

const CONFIG = z.object({
  created: text,
  author: text,
  comment: text,
  architecture: text,
  os: text,
  variant: text,
  config: RUN_CONFIG.nullish(),
  rootfs: z.object({ diff_ids: texts }).nullish(),
});

/** What the conversion reads of a config; missing texts are empty, missing lists too. */
export type ImageConfig = z.output<typeof CONFIG>;

/** How the image is run. */
export type RunConfig = z.output<typeof RUN_CONFIG>;

/**
 * Reads a config. Keys that are not known are passed over.
 *
 * @param bytes - JSON, untrusted
 * @throws DepotError `IMAGE_INVALID`: no JSON, too large, or a value of another type, with its name
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  if (bytes.length > JSON_LIMIT_BYTES) {
    throw imageInvalid(`the config has ${bytes.length} bytes, expected at most ${JSON_LIMIT_BYTES}`);
  }
  const parsed = CONFIG.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw imageInvalid(`config: ${issue?.path.join('.') || 'all of it'}: ${issue?.message ?? 'unexpected'}`);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8').decode(bytes));
  } catch {
    throw imageInvalid('the config is not JSON');
  }
}
