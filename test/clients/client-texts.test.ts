/**
 * Every kind, word for word, as files in test/fixtures/client-texts that a person can review. After a change that is
 * meant, WRITE_CLIENT_TEXTS=1 writes them anew. Certificates are long and checked elsewhere; here they are named only.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { ClientFile } from '../../server/clients/client-file.js';
import type { ClientFormat } from '../../server/clients/format-names.js';
import { renderClients } from '../../server/clients/formats.js';
import { listClientKinds } from '../../server/clients/kinds.js';
import { configured, TEST_CA } from '../fixtures/client-request.js';

const FOLDER = 'test/fixtures/client-texts';
const REGISTRY = 'registry=registry.example.com:5000';
const MIRRORS = `${REGISTRY}&mirror-of=quay.io,docker.io,localhost:5001`;
const TLS = `depot=https://depot.example.com&mirror-of=quay.io`;

/** Name of the text, kinds, options, form. */
const TEXTS: readonly (readonly [string, string, string, ClientFormat?])[] = [
  ['docker', 'docker', MIRRORS],
  ['docker-tls', 'docker', `${TLS},docker.io`],
  ['docker-dropin', 'docker-dropin', REGISTRY],
  ['docker-dropin-present', 'docker-dropin', `${REGISTRY}&form=present`],
  ['containerd', 'containerd', MIRRORS],
  ['containerd-fallback', 'containerd', `${REGISTRY}&mirror-of=docker.io&fallback`],
  ['containerd-tls', 'containerd', TLS],
  ['containerd-insecure', 'containerd', `${TLS}&insecure`],
  ['nerdctl', 'nerdctl', REGISTRY],
  ['buildkit', 'buildkit', MIRRORS],
  ['buildkit-tls', 'buildkit', TLS],
  ['crio', 'crio', `${MIRRORS}&require-signatures`],
  ['podman', 'podman', `${REGISTRY}&mirror-of=quay.io&require-signatures&identity=upstream`],
  ['skopeo', 'skopeo', `${TLS}&fallback`],
  ['k3s', 'k3s', MIRRORS],
  ['k3s-tls', 'k3s', TLS],
  ['rke2', 'rke2', `${REGISTRY}&mirror-of=quay.io&fallback`],
  ['talos', 'talos', MIRRORS],
  ['talos-documents', 'talos', `${TLS}&form=documents`],
  ['rkt', 'rkt', `${REGISTRY}&prefix=quay.io/coreos&rkt-data=/var/lib/rkt`],
  ['gpgv', 'gpgv', REGISTRY],
  ['ca', 'ca', TLS],
  ['ca-fedora', 'ca', `${TLS}&system=fedora`],
  ['ca-flatcar', 'ca', `${TLS}&system=flatcar`],
  [
    'dnsmasq',
    'dnsmasq',
    `${REGISTRY}&address=192.0.2.10&interface=eth1&dhcp-range=192.0.2.100,192.0.2.200&matchbox=http://matchbox.example.com:8080`,
  ],
  ['dnsmasq-proxy', 'dnsmasq', 'address=192.0.2.10&dhcp-range=192.0.2.0,proxy&tftp-root=/srv/tftp'],
  [
    'ipxe',
    'ipxe',
    'kernel=flatcar/vmlinuz:v1&initrd=flatcar/initrd:v1,extra.cpio.gz&args=console=ttyS0 quiet',
  ],
  ['ipxe-verify', 'ipxe', 'kernel=vmlinuz&initrd=initrd&verify'],
  ['matchbox', 'matchbox', `${REGISTRY}&id=node1&mac=52:54:00:A1:9C:AE&metadata=etcd_name=node1`],
  ['ignition', 'docker-dropin,skopeo', REGISTRY, 'ignition'],
  ['butane', 'docker-dropin,skopeo', REGISTRY, 'butane'],
  ['cloud-config', 'docker-dropin,skopeo', REGISTRY, 'cloud-config'],
  ['script', 'docker-dropin,gpgv', REGISTRY, 'script'],
];

function named({ trusted, ...file }: ClientFile): ClientFile {
  return trusted === undefined ? file : { ...file, content: `(the certificate ${trusted.fingerprint})\n` };
}

async function textOf(kinds: string, query: string, format: ClientFormat = 'files'): Promise<string> {
  const { files, notes } = await configured(kinds, query, { caFile: TEST_CA });
  const text = renderClients(format, { files: files.map(named), notes }).toString();
  return format === 'files' ? `${text}\nNotes:\n${notes.map((note) => `- ${note}\n`).join('')}` : text;
}

test.each(TEXTS)('%s is as reviewed', async (...[name, kinds, query, format]) => {
  const text = await textOf(kinds, query, format);
  const path = join(FOLDER, `${name}.txt`);
  if (process.env.WRITE_CLIENT_TEXTS === '1') {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(path, text);
  }
  expect(text).toBe(readFileSync(path, 'utf8'));
});

test('every kind has a text, and every text a kind', async () => {
  const kinds = (await listClientKinds()).map(({ name }) => name).filter((name) => name !== 'kubernetes');
  const asked = new Set(TEXTS.flatMap(([, names]) => names.split(',')));
  expect([...asked].sort()).toEqual([...kinds].sort());
  const stored = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));
  expect(stored.sort()).toEqual(TEXTS.map(([name]) => `${name}.txt`).sort());
});
