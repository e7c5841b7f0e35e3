/** Any machine with curl and gpgv: the keys, and a script that fetches a file with its signature and checks it. */
import { type ClientFile, clientFile } from './client-file.js';
import type { ClientKind } from './kind.js';
import { keysOf, type Site } from './site.js';
import { linesAfter } from './written.js';

const KEYS_DIR = '/etc/depot/keys';

/** The kind. */
export const gpgv: ClientKind = {
  name: 'gpgv',
  text: 'keyrings for gpgv, and depot-fetch, which fetches a file and checks its signature',
  make: (site) => ({ files: [...keyrings(site), fetchScript(site)], notes: [] }),
};

/** gpgv reads binary keyrings only. */
function keyrings(site: Site): ClientFile[] {
  return keysOf(site).map(({ fingerprint, binary }) => ({
    path: `${KEYS_DIR}/${fingerprint}.gpg`,
    mode: 0o644,
    content: binary,
    purpose: 'A certificate that files of the depot are signed with.',
    after: [],
    trusted: { fingerprint },
  }));
}

function fetchScript(site: Site): ClientFile {
  return clientFile(site, {
    path: '/opt/bin/depot-fetch',
    mode: 0o755,
    purpose:
      'Fetches a file of the depot and keeps it only if a key of this site signed it: depot-fetch PATH [FILE]',
    after: [],
    write: linesAfter('#!/bin/sh', FETCH, `fetch '${site.depot}/assets' "$@"`),
  });
}

const FETCH = `set -eu
keys=\${DEPOT_KEYS:-${KEYS_DIR}}

fetch() {
  assets=$1 path=\${2:?usage: depot-fetch PATH [FILE]}
  target=\${3:-\${path##*/}}
  case $path in
    *.aci) signature=.asc ;;
    *) signature=.sig ;;
  esac
  work=$(mktemp -d "$target.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  curl -fsS --globoff -o "$work/file" "$assets/$path"
  curl -fsS --globoff -o "$work/signature" "$assets/$path$signature"
  set --
  for key in "$keys"/*.gpg; do set -- "$@" --keyring "$key"; done
  gpgv "$@" "$work/signature" "$work/file"
  mv "$work/file" "$target"
}
`;
