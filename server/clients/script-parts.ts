/** The parts of a script that are the same in each: nothing of a site stands in them. */

/** Reads the command line. */
export const BEGIN = `set -eu
umask 022

usage() {
  cat <<'END'
usage: sh SCRIPT [--dry-run] [--fingerprint FINGERPRINT]... [--root DIR] [--restart]
  --dry-run      say what would change, and change nothing
  --fingerprint  of a key or an authority that may be trusted, as the operator of the depot gave it to you
  --root         configure the system below this folder instead of this one
  --restart      run what makes changes count; without it, that is only said
END
}

dry='' root='' restart='' given='' changed=''
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=1 ;;
    --restart) restart=1 ;;
    --fingerprint | --root)
      [ $# -gt 1 ] || { usage >&2; exit 2; }
      if [ "$1" = --root ]; then root=\${2%/}; else given="$given $(printf %s "$2" | tr -d ' :' | tr a-f A-F)"; fi
      shift
      ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
`;

/** What is done with a file: its number is the name of its copy in the folder $stage. */
export const FUNCTIONS = `
fail() {
  printf '%s\\n' "$1" >&2
  exit 1
}

# The bytes in an armored block, or a file that is bytes already.
bytes_of() {
  if head -n 1 "$1" | grep -q '^-----BEGIN'; then
    tr -d '\\r' <"$1" | sed -n '/^-----BEGIN/,/^-----END/p' | sed '/^-----/d;/^=/d;/:/d;/^$/d' | base64 -d
  else
    cat "$1"
  fi
}

# SHA-1 over a version 4 key packet (RFC 9580, section 5.5.4.2), or SHA-256 over an X.509 certificate.
fingerprint_of() {
  if head -n 1 "$1" | grep -q '^-----BEGIN CERTIFICATE'; then
    bytes_of "$1" | sha256sum | cut -c 1-64 | tr a-f A-F
    return
  fi
  bytes_of "$1" >"$stage/packet"
  # shellcheck disable=SC2046
  set -- $(od -An -tu1 -N4 "$stage/packet")
  if [ $# -ne 4 ] || [ "$1" -ne 198 ]; then fail 'a key cannot be read'; fi
  length=$2 skip=3
  if [ "$2" -ge 192 ]; then length=$((($2 - 192) * 256 + $3 + 192)) skip=4; fi
  head_bytes=$(printf '\\\\231\\\\%03o\\\\%03o' $((length / 256)) $((length % 256)))
  {
    # shellcheck disable=SC2059
    printf "$head_bytes"
    tail -c +$skip "$stage/packet" | head -c "$length"
  } | sha1sum | cut -c 1-40 | tr a-f A-F
}

check() {
  found=$(fingerprint_of "$stage/$1")
  case " $given " in
    *" $found "*) return ;;
  esac
  if [ -n "$dry" ]; then
    printf 'would trust %s, if it is given with --fingerprint\\n' "$found"
    given="$given $found"
    return
  fi
  fail "nothing was changed: this would trust $found, which was not given with --fingerprint"
}

place() {
  target=$root$2
  if cmp -s "$stage/$1" "$target"; then
    [ -n "$dry" ] || chmod "$3" "$target"
    printf 'unchanged   %s\\n' "$target"
    return
  fi
  changed=1
  if [ -n "$dry" ]; then
    printf 'would write %s\\n' "$target"
    return
  fi
  mkdir -p "\${target%/*}"
  # Not beside the target: rkt stumbles over strange files among its keys.
  first=\${2#/}
  new=$(mktemp "$root/\${first%%/*}/.depot-XXXXXX")
  cat "$stage/$1" >"$new"
  chmod "$3" "$new"
  mv -f "$new" "$target"
  printf 'written     %s\\n' "$target"
}

finish() {
  [ -n "$changed" ] || return 0
  if [ -n "$restart" ] && [ -z "$dry" ]; then "$@"; else printf 'then run    %s\\n' "$*"; fi
}

`;

/** The end. */
export const END = `[ -n "$changed" ] || echo 'nothing to do'
`;
