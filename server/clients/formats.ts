/** Files put into a form. */
import { DepotError } from '../errors.js';
import type { ClientTexts } from './client-file.js';
import { cloudConfig } from './cloud-config.js';
import type { ClientFormat } from './format-names.js';
import { butane, ignition } from './ignition.js';
import { printed } from './printed.js';
import { script } from './script.js';
import { tar } from './tar.js';

const RENDERERS: Readonly<Record<ClientFormat, (texts: ClientTexts) => string | Buffer>> = {
  files: printed,
  ignition,
  butane,
  'cloud-config': cloudConfig,
  script,
  tar,
};

/** Forms that also have room for what lies on no machine. */
const FOR_PEOPLE: ReadonlySet<ClientFormat> = new Set(['files', 'tar']);

/**
 * Puts files into a form.
 *
 * @throws DepotError `USAGE`: a file has no place on the machine
 */
export function renderClients(format: ClientFormat, texts: ClientTexts): string | Buffer {
  const homeless = FOR_PEOPLE.has(format) ? undefined : texts.files.find(({ path }) => !path.startsWith('/'));
  if (homeless !== undefined) {
    throw new DepotError('USAGE', `${homeless.path} lies on no machine: the formats files and tar have it`);
  }
  return RENDERERS[format](texts);
}
