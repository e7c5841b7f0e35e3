/** The list of kinds: a new one is a file in this folder and a line here. */
import { closest } from 'fastest-levenshtein';
import { DepotError } from '../errors.js';
import { buildkit } from './buildkit.js';
import { ca } from './ca.js';
import { containerd, nerdctl } from './containerd.js';
import { crio, podman, skopeo } from './containers-image.js';
import { dnsmasq } from './dnsmasq.js';
import { docker } from './docker.js';
import { dockerDropin } from './docker-dropin.js';
import { gpgv } from './gpgv.js';
import { ipxe } from './ipxe.js';
import { k3s, rke2 } from './k3s.js';
import type { ClientKind } from './kind.js';
import { matchbox } from './matchbox.js';
import { rkt } from './rkt.js';
import { talos } from './talos.js';

/** Every kind, in the order in which it is listed. */
const CLIENT_KINDS: readonly ClientKind[] = [
  ...[docker, dockerDropin, containerd, nerdctl, buildkit],
  ...[crio, podman, skopeo],
  ...[k3s, rke2, talos],
  ...[rkt, gpgv, ca],
  ...[dnsmasq, ipxe, matchbox],
];

/**
 * Finds kinds by name.
 *
 * @param text - one or more, with commas
 * @throws DepotError `USAGE`: one that there is not, with the nearest that there is
 */
export function parseKinds(text: string): readonly ClientKind[] {
  const names = [...new Set(text.split(','))];
  return names.map((name) => {
    const kind = CLIENT_KINDS.find((candidate) => candidate.name === name);
    if (kind !== undefined) return kind;
    const nearest = closest(
      name,
      CLIENT_KINDS.map((candidate) => candidate.name),
    );
    throw new DepotError('USAGE', `there is no kind ${JSON.stringify(name)}: did you mean ${nearest}?`);
  });
}

/** A kind as it is listed. */
export type ListedKind = Pick<ClientKind, 'name' | 'text'>;

/** Every kind in a line, with the one that the command line alone has, since it reads what it changes. */
export async function listClientKinds(): Promise<readonly ListedKind[]> {
  const kubernetes = {
    name: 'kubernetes',
    text: 'command only: images of manifests on standard input renamed',
  };
  return [...CLIENT_KINDS, kubernetes].map(({ name, text }) => ({ name, text }));
}
