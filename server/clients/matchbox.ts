/** matchbox (bootcfg is its first name): a group with the metadata of the depot, a profile, and the old cloud-config. */

import { stringify } from 'yaml';
import { assetUrl, imageName } from './boot-url.js';
import { type ClientFile, clientFile } from './client-file.js';
import { coreosUnit, DROP_IN } from './docker-dropin.js';
import type { ClientKind } from './kind.js';
import type { Site } from './site.js';
import { json, linesAfter } from './written.js';

const DATA = '/var/lib/matchbox';

/** The kind. */
export const matchbox: ClientKind = {
  name: 'matchbox',
  text: 'group with docker_registry and insecure_registry, profile that boots from /assets, cloud-config',
  make: (site) => ({
    files: [group(site), profile(site), ...cloudConfig(site)],
    notes: [
      'Templates take insecure_registry for true whatever it says, so it is left out where there is TLS.',
    ],
  }),
};

function group(site: Site): ClientFile {
  const { id, mac, metadata } = site.options;
  const own = { docker_registry: site.registry, ...(site.insecure && { insecure_registry: 'true' }) };
  return clientFile(site, {
    path: `${DATA}/groups/${id}.json`,
    purpose: 'Tells the templates of matchbox where the registry is.',
    after: [],
    write: json({
      id,
      profile: id,
      ...(mac !== undefined && { selector: { mac } }),
      metadata: { ...Object.fromEntries(metadata), ...own },
    }),
  });
}

function profile(site: Site): ClientFile {
  const { id, kernel, initrds, args } = site.options;
  return clientFile(site, {
    path: `${DATA}/profiles/${id}.json`,
    purpose: 'Boots machines of the group from the assets of the depot.',
    after: [],
    write: json({
      id,
      name: id,
      ...(site.insecure && { cloud_id: `${id}.yaml` }),
      boot: {
        kernel: assetUrl(site.depot, kernel),
        initrd: initrds.map((path) => assetUrl(site.depot, path)),
        args: [...initrds.map((path) => `initrd=${imageName(path)}`), ...args],
      },
    }),
  });
}

/** Of CoreOS in 2016; its first line has to be the first. */
function cloudConfig(site: Site): ClientFile[] {
  if (!site.insecure) return [];
  const content = `${coreosUnit(site).join('\n')}\n`;
  const units = [{ name: 'docker.service', 'drop-ins': [{ name: DROP_IN, content }] }];
  const text = stringify({ coreos: { units } }, { lineWidth: 0 }).trimEnd();
  return [
    clientFile(site, {
      path: `${DATA}/cloud/${site.options.id}.yaml`,
      purpose: 'Lets Docker of CoreOS pull from the depot without TLS.',
      after: [],
      write: linesAfter('#cloud-config', text),
    }),
  ];
}
