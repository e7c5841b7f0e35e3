/** The configuration as YAML, each key with where it came from. */
import type { LoadedConfig } from './config.js';
import { CONFIG_KEYS } from './keys.js';

/**
 * Writes a configuration as a file would, so that it can be saved and read again. A key that nobody set is
 * `null`, which a file may say too.
 */
export async function formatConfig(loaded: LoadedConfig): Promise<string> {
  const { Document } = await import('yaml');
  const document = new Document({});
  for (const { name, variable } of CONFIG_KEYS.values()) {
    const setting = loaded.settings.get(name);
    const node = document.createNode(setting?.value ?? null, { flow: true });
    node.comment = setting === undefined ? ` not set (${variable})` : ` ${setting.origin}`;
    document.setIn(name.split('.'), node);
  }
  return document.toString({ lineWidth: 0 }).trimEnd();
}
