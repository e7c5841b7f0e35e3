/** The systemd drop-in that lets Docker pull over plain HTTP: of CoreOS's day, and of today. */
import { DepotError } from '../errors.js';
import { type ClientFile, clientFile } from './client-file.js';
import type { ClientKind } from './kind.js';
import type { Site } from './site.js';
import { lines } from './written.js';

/** Of the unit of Docker. */
export const DROP_IN = '40-insecure-registry.conf';

/** The kind. */
export const dockerDropin: ClientKind = {
  name: 'docker-dropin',
  text: `systemd drop-in ${DROP_IN} of docker.service, as CoreOS has it (--form present: Flatcar)`,
  checksSignatures: false,
  make: (site) => ({
    files: [dropIn(site)],
    notes: ['Use this or daemon.json: dockerd does not start where both set the same.'],
  }),
};

function dropIn(site: Site): ClientFile {
  const { form = 'coreos' } = site.options;
  if (form !== 'coreos' && form !== 'present') {
    throw new DepotError('USAGE', `form: docker-dropin has coreos and present, not ${form}`);
  }
  if (!site.insecure) {
    throw new DepotError(
      'USAGE',
      'docker-dropin is for a registry without TLS: this one has it, see the kinds docker and ca',
    );
  }
  return clientFile(site, {
    path: `/etc/systemd/system/docker.service.d/${DROP_IN}`,
    purpose: `Lets dockerd pull from ${site.registry} without TLS.`,
    after: [
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'restart', 'docker'],
    ],
    write: lines(...(form === 'coreos' ? coreosUnit(site) : presentUnit(site))),
  });
}

/** Lines of the old page, for the unit that CoreOS had. */
export function coreosUnit({ registry }: Site): readonly string[] {
  return [
    '[Service]',
    `Environment=INSECURE_REGISTRY='--insecure-registry=${registry}'`,
    'ExecStart=',
    'ExecStart=/usr/lib/coreos/dockerd --host=fd:// $DOCKER_OPTS $INSECURE_REGISTRY $DOCKER_CGROUPS $DOCKER_OPT_BIP $DOCKER_OPT_MTU $DOCKER_OPT_IPMASQ',
  ];
}

function presentUnit({ registry }: Site): readonly string[] {
  return ['[Service]', `Environment="DOCKER_OPTS=--insecure-registry=${registry}"`];
}
