/** What can be said about a machine's configuration: one table, read by the command line and from a query alike. */
import { isIP, isIPv4 } from 'node:net';
import { DepotError } from '../errors.js';
import { type BaseUrl, type HostPort, parseBaseUrl, parseHostPort } from './address.js';

/** One option as it is told to a person. */
export interface OptionText {
  /** With dashes; on the command line two more in front. */
  readonly name: string;
  /** What stands for its value; without one it is a flag. */
  readonly value?: string;
  readonly text: string;
  /** Whether it may be given more than once, or as a list with commas. */
  readonly list?: true;
}

/** Every option, in the order in which help shows them. */
export const CLIENT_OPTIONS: readonly OptionText[] = [
  { name: 'registry', value: 'host[:port]', text: 'the registry as machines name it; that of the depot' },
  { name: 'depot', value: 'url', text: 'the depot as machines reach it; publicUrl without' },
  { name: 'tls', text: 'the registry speaks TLS; without, if the depot is https' },
  { name: 'insecure', text: 'do not verify the certificate of the registry' },
  {
    name: 'mirror-of',
    value: 'hosts',
    list: true,
    text: 'registries that the depot stands in for: quay.io,docker.io',
  },
  { name: 'fallback', text: 'let machines ask those registries themselves where the depot has not an image' },
  { name: 'require-signatures', text: 'crio, podman, skopeo: refuse what the key did not sign' },
  {
    name: 'identity',
    value: 'name',
    text: 'name that signatures of mirrored images bear: depot (default) or upstream',
  },
  {
    name: 'form',
    value: 'form',
    text: 'docker-dropin: coreos (default), present; talos: patch (default), documents',
  },
  { name: 'system', value: 'name', text: 'ca: debian (default; Ubuntu, Alpine), fedora, flatcar' },
  { name: 'prefix', value: 'names', text: 'rkt: trust the key for image names below quay.io/coreos only' },
  { name: 'rkt-data', value: 'dir', text: 'rkt: the folder of its images and pods' },
  { name: 'address', value: 'ip', text: 'dnsmasq: the address of the depot' },
  { name: 'interface', value: 'name', text: 'dnsmasq: where it answers' },
  {
    name: 'dhcp-range',
    value: 'range',
    text: 'dnsmasq: 192.0.2.100,192.0.2.200, or 192.0.2.0,proxy beside another DHCP',
  },
  { name: 'tftp-root', value: 'dir', text: 'dnsmasq: the folder with undionly.kpxe and ipxe.efi' },
  { name: 'matchbox', value: 'url', text: 'dnsmasq, ipxe: the matchbox that machines are handed on to' },
  { name: 'kernel', value: 'path', text: 'ipxe, matchbox: below /assets, such as flatcar/vmlinuz' },
  { name: 'initrd', value: 'paths', list: true, text: 'ipxe, matchbox: below /assets' },
  { name: 'args', value: 'text', text: 'ipxe, matchbox: arguments of the kernel' },
  { name: 'verify', text: 'ipxe: check kernel and initrds with imgverify' },
  { name: 'id', value: 'name', text: 'matchbox: name of the group and its profile; depot without' },
  { name: 'mac', value: 'address', text: 'matchbox: the machine that the group is for; all without' },
  {
    name: 'names',
    value: 'style',
    text: 'kubernetes: host (default: depot/quay.io/coreos/etcd), basename (depot/etcd)',
  },
  { name: 'metadata', value: 'key=value', list: true, text: 'matchbox: more metadata' },
];

/** Options by name, each with what was written for it; a flag has `true`. */
export type RawOptions = ReadonlyMap<string, readonly string[]>;

/** The options, checked. */
export interface ClientOptions {
  readonly registry: HostPort | undefined;
  readonly depot: BaseUrl | undefined;
  readonly tls: boolean;
  readonly insecure: boolean;
  readonly mirrors: readonly HostPort[];
  readonly fallback: boolean;
  readonly requireSignatures: boolean;
  readonly identity: 'depot' | 'upstream';
  readonly form: 'coreos' | 'present' | 'patch' | 'documents' | undefined;
  readonly system: 'debian' | 'fedora' | 'flatcar';
  readonly prefix: string | undefined;
  readonly rktData: string | undefined;
  readonly address: string | undefined;
  readonly networkInterface: string | undefined;
  readonly dhcpRange: string | undefined;
  readonly tftpRoot: string;
  readonly matchbox: BaseUrl | undefined;
  readonly kernel: string;
  readonly initrds: readonly string[];
  readonly args: readonly string[];
  readonly verify: boolean;
  readonly id: string;
  readonly mac: string | undefined;
  readonly names: 'host' | 'basename';
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Checks options.
 *
 * @throws DepotError `USAGE`: an unknown one, or a value that it cannot have
 */
export function parseClientOptions(raw: RawOptions): ClientOptions {
  for (const name of raw.keys()) {
    if (!CLIENT_OPTIONS.some((option) => option.name === name)) {
      throw new DepotError('USAGE', `there is no option ${JSON.stringify(name)}`);
    }
  }
  return {
    registry: optional(raw, 'registry', parseHostPort),
    depot: optional(raw, 'depot', parseBaseUrl),
    tls: flag(raw, 'tls'),
    insecure: flag(raw, 'insecure'),
    mirrors: [...new Set(list(raw, 'mirror-of').map((text) => parseHostPort(text, 'mirror-of')))],
    fallback: flag(raw, 'fallback'),
    requireSignatures: flag(raw, 'require-signatures'),
    identity: word(raw, 'identity', ['depot', 'upstream']) ?? 'depot',
    form: word(raw, 'form', ['coreos', 'present', 'patch', 'documents']),
    system: word(raw, 'system', ['debian', 'fedora', 'flatcar']) ?? 'debian',
    prefix: text(raw, 'prefix'),
    rktData: matching(raw, 'rkt-data', FOLDER, 'a folder such as /var/lib/rkt'),
    address: optional(raw, 'address', parseAddress),
    networkInterface: matching(raw, 'interface', /^[a-zA-Z0-9][\w.-]{0,14}$/, 'a name such as eth1'),
    dhcpRange: optional(raw, 'dhcp-range', parseRange),
    tftpRoot: matching(raw, 'tftp-root', FOLDER, 'a folder such as /srv/tftp') ?? '/var/lib/tftpboot',
    matchbox: optional(raw, 'matchbox', parseBaseUrl),
    kernel: parseAssetPath(text(raw, 'kernel') ?? 'flatcar/flatcar_production_pxe.vmlinuz', 'kernel'),
    initrds: initrdsOf(raw),
    args: parseArgs(text(raw, 'args') ?? 'flatcar.first_boot=1 console=tty0'),
    verify: flag(raw, 'verify'),
    id: matching(raw, 'id', /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'a name such as node1') ?? 'depot',
    mac: matching(
      raw,
      'mac',
      /^(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/,
      'such as 52:54:00:a1:9c:ae',
    )?.toLowerCase(),
    names: word(raw, 'names', ['host', 'basename']) ?? 'host',
    metadata: new Map((raw.get('metadata') ?? []).map(parseMetadata)),
  };
}

const FOLDER = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.-]+)+$/;

function text(raw: RawOptions, name: string): string | undefined {
  const values = raw.get(name) ?? [];
  if (values.length > 1) throw new DepotError('USAGE', `${name}: given more than once`);
  return values[0];
}

function list(raw: RawOptions, name: string): string[] {
  return (raw.get(name) ?? []).flatMap((value) => value.split(',')).filter((item) => item !== '');
}

function flag(raw: RawOptions, name: string): boolean {
  const value = text(raw, name);
  if (value === undefined || value === 'false' || value === '0') return false;
  if (value === 'true' || value === '1' || value === '') return true;
  throw wrong(name, 'true or false', value);
}

function optional<T>(raw: RawOptions, name: string, parse: (text: string, what: string) => T): T | undefined {
  const value = text(raw, name);
  return value === undefined ? undefined : parse(value, name);
}

function matching(raw: RawOptions, name: string, pattern: RegExp, expected: string): string | undefined {
  const value = text(raw, name);
  if (value !== undefined && !pattern.test(value)) throw wrong(name, expected, value);
  return value;
}

function word<const T extends string>(raw: RawOptions, name: string, words: readonly T[]): T | undefined {
  const value = text(raw, name);
  const known = words.find((candidate) => candidate === value);
  if (value !== undefined && known === undefined) throw wrong(name, `one of ${words.join(', ')}`, value);
  return known;
}

function wrong(name: string, expected: string, value: string): DepotError {
  return new DepotError('USAGE', `${name}: expected ${expected}, got ${JSON.stringify(value)}`);
}

function parseAddress(value: string, name: string): string {
  if (isIP(value) === 0 || value.includes('%')) throw wrong(name, 'an address such as 192.0.2.10', value);
  return value;
}

/** `first,last`, `first,last,12h` or `network,proxy`. */
function parseRange(value: string, name: string): string {
  const [first = '', last = '', lease = '12h', ...more] = value.split(',');
  const isRange = isIPv4(first) && (last === 'proxy' || isIPv4(last));
  if (!isRange || more.length > 0 || !/^(?:\d{1,6}[smhd]?|infinite)$/.test(lease)) {
    throw wrong(name, 'such as 192.0.2.100,192.0.2.200 or 192.0.2.0,proxy', value);
  }
  return last === 'proxy' ? `${first},proxy` : `${first},${last},${lease}`;
}

/** A path below `/assets`, of ASCII characters that firmware, units and shells leave alone. */
function parseAssetPath(value: string, name: string): string {
  if (/^(?:(?!\.{1,2}(?:\/|$))[\w.:+~-]+(?:\/(?!$)|$))+$/.test(value)) return value;
  throw wrong(name, 'a path below /assets, of letters, digits and . _ : + ~ -', value);
}

function initrdsOf(raw: RawOptions): readonly string[] {
  if (!raw.has('initrd')) return ['flatcar/flatcar_production_pxe_image.cpio.gz'];
  return list(raw, 'initrd').map((path) => parseAssetPath(path, 'initrd'));
}

/** Arguments of a kernel; iPXE takes `||`, `&&` and `;` between spaces for its own. */
function parseArgs(value: string): readonly string[] {
  const words = value.split(' ').filter((item) => item !== '');
  for (const item of words) {
    if (!/^[\w.,:/?&=@%+${}()[\]*~-]+$/.test(item) || item === '&&') {
      throw wrong('args', 'arguments of letters, digits and punctuation, without quotes, ; and |', value);
    }
  }
  return words;
}

function parseMetadata(pair: string): readonly [string, string] {
  const [, key, value] = /^([a-z][a-z0-9_]{0,63})=(.{0,1024})$/s.exec(pair) ?? [];
  if (key === undefined || value === undefined || /\p{Cc}/u.test(value)) {
    throw wrong('metadata', 'key=value, the key of a-z, 0-9 and _, the value one line', pair);
  }
  return [key, value];
}
