/** Platforms: which image of a list is wanted, and what appc calls it. OCI image specification, image-index.md. */
import { DepotError } from '../errors.js';
import { imageInvalid } from './image-invalid.js';

/** An operating system and a processor, in OCI's (Go's) words. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Such as `v7`; empty for none. */
  readonly variant: string;
}

/** What is taken of a list where nothing else is said, on whatever machine this runs. */
export const DEFAULT_PLATFORM: Platform = { os: 'linux', architecture: 'amd64', variant: '' };

/**
 * Reads `os/arch` or `os/arch/variant`.
 *
 * @throws DepotError `USAGE`
 */
export function parsePlatform(text: string): Platform {
  const [os, architecture, variant = '', ...more] = text.split('/');
  const isGood = [os, architecture].every((part) => part !== undefined && /^[a-z0-9_.-]+$/.test(part));
  if (!isGood || more.length > 0 || os === undefined || architecture === undefined) {
    throw new DepotError('USAGE', `platform: expected os/arch or os/arch/variant, got ${text}`);
  }
  return { os, architecture, variant };
}

/** `linux/arm/v7`. */
export function platformText({ os, architecture, variant }: Platform): string {
  return variant === '' ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/**
 * How well an image of one platform runs on another.
 *
 * @returns 0 for exactly, more for an older variant, `undefined` for not at all
 */
export function distance(wanted: Platform, offered: Platform): number | undefined {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return undefined;
  if (wanted.architecture === 'arm') {
    const behind = armVersion(wanted.variant) - armVersion(offered.variant);
    return behind >= 0 ? behind : undefined;
  }
  return usual(wanted) === usual(offered) ? 0 : undefined;
}

/** An arm image without a variant runs on v7, as containerd has it. */
function armVersion(variant: string): number {
  return /^v[5-9]$/.test(variant) ? Number(variant.slice(1)) : 7;
}

/** The variant that is meant where none is said. */
function usual({ architecture, variant }: Platform): string {
  if (variant !== '') return variant;
  return { arm64: 'v8', amd64: 'v1' }[architecture] ?? '';
}

const ARCHITECTURES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  linux: {
    amd64: 'amd64',
    '386': 'i386',
    arm64: 'aarch64',
    arm: 'armv6l',
    ppc64: 'ppc64',
    ppc64le: 'ppc64le',
    s390x: 's390x',
  },
  freebsd: { amd64: 'amd64', '386': 'i386', arm: 'arm' },
  darwin: { amd64: 'x86_64', '386': 'i386' },
};

/**
 * The platform that has these labels of appc; `undefined` for labels that no conversion gives.
 */
export function platformOfLabels(os: string, arch: string): Platform | undefined {
  const known = Object.hasOwn(ARCHITECTURES, os) ? ARCHITECTURES[os] : undefined;
  const [architecture] = Object.entries(known ?? {}).find(([, label]) => label === arch) ?? [];
  if (architecture === undefined) return undefined;
  return { os, architecture, variant: arch === 'armv6l' ? 'v6' : '' };
}

/**
 * The labels of appc for a platform.
 *
 * @param os - as the config says; empty for Linux
 * @param architecture - empty for amd64
 * @throws DepotError `IMAGE_INVALID`: appc has no word for it
 */
export function appcPlatform(
  os: string,
  architecture: string,
): { readonly os: string; readonly arch: string } {
  const system = os || DEFAULT_PLATFORM.os;
  const processor = architecture || DEFAULT_PLATFORM.architecture;
  const known = Object.hasOwn(ARCHITECTURES, system) ? ARCHITECTURES[system] : undefined;
  const arch = known !== undefined && Object.hasOwn(known, processor) ? known[processor] : undefined;
  if (arch !== undefined) return { os: system, arch };
  const offer = Object.entries(ARCHITECTURES).map(([name, all]) => `${name}/${Object.keys(all).join(',')}`);
  throw imageInvalid(`the image is for ${system}/${processor}, appc has words for ${offer.join('; ')}`);
}
