/** Docker: `daemon.json`, and the authority that vouches for the registry. */

import { runtimeCa } from './ca.js';
import { type ClientFile, clientFile } from './client-file.js';
import type { ClientKind } from './kind.js';
import { merge, parseJsonSettings, type Settings } from './merge.js';
import { registryUrl, type Site } from './site.js';
import { json } from './written.js';

const PATH = '/etc/docker/daemon.json';

/** The kind. */
export const docker: ClientKind = {
  name: 'docker',
  text: 'daemon.json of dockerd (joined with --merge), and certs.d',
  checksSignatures: false,
  merges: PATH,
  make(site, existing) {
    const files = [...daemonJson(site, existing), ...runtimeCa(site, '/etc/docker/certs.d', 'dockerd')];
    return { files, notes: notesFor(site, existing) };
  },
};

function daemonJson(site: Site, existing: string | undefined): ClientFile[] {
  const ours = settingsOf(site);
  if (Object.keys(ours).length === 0 && existing === undefined) return [];
  const settings = existing === undefined ? ours : merge(parseJsonSettings(existing, PATH), ours);
  return [
    clientFile(site, {
      path: PATH,
      purpose: `Lets dockerd pull from ${site.registry}.`,
      after: [['systemctl', 'reload', 'docker']],
      write: json(settings),
    }),
  ];
}

function settingsOf(site: Site): Settings {
  return {
    ...(site.insecure && { 'insecure-registries': [site.registry] }),
    ...(site.options.mirrors.some((host) => host === 'docker.io') && {
      'registry-mirrors': [registryUrl(site)],
    }),
  };
}

function notesFor({ options, registry }: Site, existing: string | undefined): string[] {
  const notes: string[] = [];
  if (existing === undefined) {
    notes.push(`${PATH} replaces the one that is there: --merge FILE joins the two.`);
  }
  notes.push('dockerd does not start where a setting stands both in daemon.json and among its flags.');
  const others = options.mirrors.filter((host) => host !== 'docker.io');
  if (others.length > 0) {
    notes.push(`dockerd has mirrors for docker.io only: pull ${registry}/${others[0]}/NAME:TAG instead.`);
  }
  if (others.length < options.mirrors.length) {
    notes.push(
      `dockerd asks its mirror for library/NAME, not for docker.io/library/NAME: push it under that name.`,
    );
  }
  return notes;
}
