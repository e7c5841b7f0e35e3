/** dnsmasq: the depot's name, and DHCP with TFTP until iPXE can speak HTTP. */
import { isIP } from 'node:net';
import { DepotError } from '../errors.js';
import { hostName } from './address.js';
import { type ClientFile, clientFile } from './client-file.js';
import type { ClientKind } from './kind.js';
import { depotHost, type Site } from './site.js';
import { lines } from './written.js';

/** The kind. */
export const dnsmasq: ClientKind = {
  name: 'dnsmasq',
  text: "the depot's name (--address), and with --dhcp-range DHCP, TFTP and the way to iPXE",
  make: (site) => ({
    files: [config(site)],
    notes: ['dnsmasq --test checks the file. No names here have ports: DNS knows none.'],
  }),
};

function config(site: Site): ClientFile {
  const { networkInterface } = site.options;
  const listening = networkInterface === undefined ? [] : [`interface=${networkInterface}`, 'bind-dynamic'];
  const text = [...listening, ...nameLines(site), ...dhcpLines(site)];
  if (text.length === 0) {
    throw new DepotError('USAGE', `${site.registry} is no name: with --dhcp-range there is something to say`);
  }
  return clientFile(site, {
    path: '/etc/dnsmasq.d/depot.conf',
    purpose: 'The name of the depot, and how machines boot.',
    after: [['systemctl', 'restart', 'dnsmasq']],
    write: lines(...text),
  });
}

function nameLines(site: Site): string[] {
  const { registry, options } = site;
  const names = [...new Set([depotHost(site), registry].map(hostName))].filter((name) => isIP(name) === 0);
  if (names.length === 0) return [];
  const { address } = options;
  if (address === undefined) {
    throw new DepotError('USAGE', `address: which one has ${names.join(' and ')}? give --address 192.0.2.10`);
  }
  // Without `local` the other kind of address would be asked for upstream, where nobody answers.
  return names.flatMap((name) => [`host-record=${name},${address}`, `local=/${name}/`]);
}

function dhcpLines({ depot, options }: Site): string[] {
  const { dhcpRange, tftpRoot, matchbox } = options;
  if (dhcpRange === undefined) return [];
  const script = matchbox === undefined ? `${depot}/client/ipxe` : `${matchbox}/boot.ipxe`;
  const chain = dhcpRange.endsWith(',proxy') ? proxyChain(script) : dhcpChain(script);
  return [
    `dhcp-range=${dhcpRange}`,
    'enable-tftp',
    `tftp-root=${tftpRoot}`,
    // iPXE says who it is; without this it would be handed itself for ever.
    'dhcp-userclass=set:ipxe,iPXE',
    ...chain,
  ];
}

function dhcpChain(script: string): string[] {
  return [
    'dhcp-match=set:bios,option:client-arch,0',
    'dhcp-match=set:efi64,option:client-arch,7',
    'dhcp-match=set:efi64,option:client-arch,9',
    'dhcp-boot=tag:!ipxe,tag:bios,undionly.kpxe',
    'dhcp-boot=tag:!ipxe,tag:efi64,ipxe.efi',
    `dhcp-boot=tag:ipxe,${script}`,
  ];
}

/** Beside a DHCP server that gives addresses, what to boot is told in a menu of one line. */
function proxyChain(script: string): string[] {
  return [
    'pxe-service=tag:!ipxe,x86PC,"iPXE",undionly.kpxe',
    'pxe-service=tag:!ipxe,X86-64_EFI,"iPXE",ipxe.efi',
    `pxe-service=tag:ipxe,x86PC,"depot",${script}`,
    `pxe-service=tag:ipxe,X86-64_EFI,"depot",${script}`,
  ];
}
