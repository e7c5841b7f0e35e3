/** iPXE: a script that boots a kernel from the assets, or hands the machine on to matchbox. */
import { assetUrl, imageName } from './boot-url.js';
import { type ClientFile, clientFile } from './client-file.js';
import type { ClientKind } from './kind.js';
import type { Site } from './site.js';
import { linesAfter } from './written.js';

/** The kind. */
export const ipxe: ClientKind = {
  name: 'ipxe',
  text: 'script that boots --kernel and --initrd from the assets (--verify: only what is signed)',
  make: (site) => ({ files: [script(site)], notes: site.options.verify ? VERIFY_NOTES : [] }),
};

const VERIFY_NOTES = [
  'imgverify needs an iPXE of your own, with IMAGE_TRUST_CMD in config/general.h: make bin-x86_64-efi/ipxe.efi TRUST=ca.crt',
  'It checks PATH.ipxe.sig beside each file, not an OpenPGP signature.',
];

function script(site: Site): ClientFile {
  const { matchbox } = site.options;
  return clientFile(site, {
    path: 'boot.ipxe',
    purpose:
      'Boots machines: put it below the assets, or let DHCP name the address that it was fetched from.',
    after: [],
    write: linesAfter(
      '#!ipxe',
      ...(matchbox === undefined ? bootLines(site) : [`chain ${matchbox}/boot.ipxe`]),
    ),
  });
}

function bootLines({ depot, options }: Site): string[] {
  const { kernel, initrds, args, verify } = options;
  const names = initrds.map((path) => `initrd=${imageName(path)}`);
  const first = ['kernel', '--name', imageName(kernel), assetUrl(depot, kernel), ...names, ...args].join(' ');
  return [
    ':retry',
    'imgfree',
    ...(verify ? ['imgtrust --permanent || goto untrusted'] : []),
    `${first} || goto failed`,
    ...initrds.map((path) => `initrd --name ${imageName(path)} ${assetUrl(depot, path)} || goto failed`),
    ...(verify
      ? [kernel, ...initrds].map(
          (path) => `imgverify ${imageName(path)} ${assetUrl(depot, path)}.ipxe.sig || goto untrusted`,
        )
      : []),
    'boot || goto failed',
    ...(verify ? [':untrusted', 'echo A file is not signed for this site, or this iPXE cannot tell'] : []),
    ':failed',
    'echo Trying again in 10 seconds',
    'sleep 10',
    'goto retry',
  ];
}
