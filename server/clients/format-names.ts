/** The forms in which a machine can be given its files, and how they travel. */

const TEXT = 'text/plain; charset=utf-8';

/** What a form is called from outside. */
interface FormNames {
  /** Ending of a file's name, without its dot. */
  readonly ending: string;
  readonly contentType: string;
}

/** The name of a form. */
export type ClientFormat = 'files' | 'ignition' | 'butane' | 'cloud-config' | 'script' | 'tar';

/** All of them, in the order in which help shows them. */
export const CLIENT_FORMATS: ReadonlyMap<ClientFormat, FormNames> = new Map<ClientFormat, FormNames>([
  ['files', { ending: 'txt', contentType: TEXT }],
  ['ignition', { ending: 'json', contentType: 'application/vnd.coreos.ignition+json' }],
  ['butane', { ending: 'bu', contentType: TEXT }],
  ['cloud-config', { ending: 'yaml', contentType: TEXT }],
  ['script', { ending: 'sh', contentType: TEXT }],
  ['tar', { ending: 'tar', contentType: 'application/x-tar' }],
]);
