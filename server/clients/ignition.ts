/** Ignition 3.3.0, and the same as Butane: files, and drop-ins of units. */
import { stringify } from 'yaml';
import type { ClientFile, ClientTexts } from './client-file.js';
import { commentLines } from './written.js';

const DROP_IN = /^\/etc\/systemd\/system\/([\w@.-]+)\.d\/([\w@.-]+\.conf)$/;

/** A drop-in of a unit. */
interface DropIn {
  readonly unit: string;
  readonly name: string;
  readonly contents: string;
}

/** A configuration for Ignition: JSON. */
export function ignition({ files }: ClientTexts): string {
  const config = {
    ignition: { version: '3.3.0' },
    ...sections(files, (content) => ({
      source: `data:;base64,${Buffer.from(content).toString('base64')}`,
    })),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** The same for people: YAML, which butane turns into Ignition. */
export function butane({ files }: ClientTexts): string {
  const config = {
    variant: 'flatcar',
    version: '1.0.0',
    ...sections(files, (content) =>
      typeof content === 'string'
        ? { inline: content }
        : { source: `data:;base64,${Buffer.from(content).toString('base64')}` },
    ),
  };
  return `${commentLines(['For butane --strict, which makes an Ignition configuration of it.'])}${stringify(config, { lineWidth: 0 })}`;
}

function sections(
  files: readonly ClientFile[],
  contents: (content: ClientFile['content']) => object,
): object {
  const dropIns = files.map(dropInOf).filter((dropIn) => dropIn !== undefined);
  const plain = files.filter((file) => dropInOf(file) === undefined);
  const units = [...new Set(dropIns.map(({ unit }) => unit))].map((unit) => ({
    name: unit,
    dropins: dropIns
      .filter((dropIn) => dropIn.unit === unit)
      .map(({ name, contents: text }) => ({ name, contents: text })),
  }));
  return {
    ...(plain.length > 0 && {
      storage: {
        files: plain.map(({ path, mode, content }) => ({
          path,
          mode,
          overwrite: true,
          contents: contents(content),
        })),
      },
    }),
    ...(units.length > 0 && { systemd: { units } }),
  };
}

function dropInOf({ path, content }: ClientFile): DropIn | undefined {
  const [, unit, name] = DROP_IN.exec(path) ?? [];
  if (unit === undefined || name === undefined || typeof content !== 'string') return undefined;
  return { unit, name, contents: content };
}
