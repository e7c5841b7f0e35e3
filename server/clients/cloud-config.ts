/** cloud-init: files, and what has to run once they are there. */
import { stringify } from 'yaml';
import type { ClientTexts, ProgramCall } from './client-file.js';

/** A cloud-config; its first line says that it is one. */
export function cloudConfig({ files }: ClientTexts): string {
  const config = {
    write_files: files.map(({ path, mode, content }) => ({
      path,
      permissions: mode.toString(8).padStart(4, '0'),
      ...(typeof content === 'string'
        ? { content }
        : { encoding: 'b64', content: Buffer.from(content).toString('base64') }),
    })),
    ...(files.some(({ after }) => after.length > 0) && { runcmd: callsOf({ files }) }),
  };
  return `#cloud-config\n${stringify(config, { lineWidth: 0 })}`;
}

/** What has to run after all files lie there, each once, in their order. */
export function callsOf({ files }: Pick<ClientTexts, 'files'>): readonly ProgramCall[] {
  const calls = files.flatMap(({ after }) => after);
  return [...new Map(calls.map((call) => [call.join('\0'), call])).values()];
}
