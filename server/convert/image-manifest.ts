/** The image manifest of a converted image, field by field as docker2aci makes it. appc/spec, spec/aci.md. */
import { isRfc3339 } from '../aci/annotations.js';
import { readImageManifest } from '../aci/image-manifest.js';
import { type AppJson, appOf, type Warn } from './app.js';
import type { ImageConfig } from './config.js';
import { imageInvalid } from './image-invalid.js';
import { appcPlatform } from './platform.js';
import type { ImageSource } from './source.js';

const AC_VERSION = '0.8.11';

/** Annotations that tell where an image came from; docker2aci's names. */
export const ORIGIN = {
  originalName: 'appc.io/docker/originalname',
  registryUrl: 'appc.io/docker/registryurl',
  repository: 'appc.io/docker/repository',
  imageId: 'appc.io/docker/imageid',
  parentImageId: 'appc.io/docker/parentimageid',
  tag: 'appc.io/docker/tag',
  manifestHash: 'appc.io/docker/manifesthash',
  entrypoint: 'appc.io/docker/entrypoint',
  cmd: 'appc.io/docker/cmd',
} as const;

interface NamedValue {
  readonly name: string;
  readonly value: string;
}

/**
 * Makes the manifest's bytes. The same image and reference give the same bytes.
 *
 * @param warn - told of what appc cannot say and was left out
 * @throws DepotError `IMAGE_INVALID`: appc has no word for the platform, or the result breaks a rule of appc
 */
export function imageManifest(source: ImageSource, config: ImageConfig, warn: Warn): Buffer {
  const app = appFor(source, config, warn);
  const manifest = {
    acKind: 'ImageManifest',
    acVersion: AC_VERSION,
    name: appcName(source),
    labels: labelsOf(source, config),
    ...(app && { app }),
    annotations: annotationsOf(source, config, warn),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const { problems } = readImageManifest(bytes);
  if (problems.length > 0) throw imageInvalid(`the image cannot be an ACI: ${problems.join('; ')}`);
  return bytes;
}

/**
 * The name of an image in appc's letters: `reg.lan:5000/t/x` is `reg.lan_5000/t/x`.
 *
 * @throws DepotError `IMAGE_INVALID`: nothing is left of it
 */
export function appcName({ reference: { host, repository } }: ImageSource): string {
  const full = host === undefined ? repository : `${host}/${repository}`;
  const name = full
    .toLowerCase()
    .replace(/[^a-z0-9\-._~/]/gu, '_')
    // `_` stands for what was cut from the middle; at the edges it is no letter either.
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  if (name === '') throw imageInvalid(`no name for an ACI can be made of ${JSON.stringify(full)}`);
  return name;
}

function labelsOf({ reference: { tag } }: ImageSource, config: ImageConfig): NamedValue[] {
  const { os, arch } = appcPlatform(config.os, config.architecture);
  const labels = [
    { name: 'arch', value: arch },
    { name: 'os', value: os },
  ];
  return tag === undefined ? labels : [...labels, { name: 'version', value: tag }];
}

function appFor(source: ImageSource, { config }: ImageConfig, warn: Warn): AppJson | undefined {
  return config == null ? undefined : appOf(config, source.generation === 'old', warn);
}

/** In docker2aci's order; what has no value is left out. */
function annotationsOf(source: ImageSource, config: ImageConfig, warn: Warn): NamedValue[] {
  const { reference, parentImageId = '' } = source;
  const isOld = source.generation === 'old';
  const all: (readonly [string, string])[] = [
    [isOld ? 'authors' : 'author', config.author],
    ['created', createdOf(config.created, isOld, warn)],
    ['docker-comment', isOld ? config.comment : ''],
    [ORIGIN.originalName, reference.typed ?? ''],
    [ORIGIN.registryUrl, reference.host ?? ''],
    [ORIGIN.repository, reference.repository],
    [ORIGIN.imageId, source.imageId],
    [ORIGIN.parentImageId, parentImageId],
    [ORIGIN.tag, parentImageId === '' ? '' : (reference.tag ?? '')],
    [ORIGIN.manifestHash, source.manifestHash],
    [ORIGIN.entrypoint, goJson(config.config?.Entrypoint)],
    [ORIGIN.cmd, goJson(config.config?.Cmd)],
  ];
  return all.filter(([, value]) => value !== '').map(([name, value]) => ({ name, value }));
}

function createdOf(created: string, isOld: boolean, warn: Warn): string {
  if (created === '') return '';
  if (!isRfc3339(created)) {
    warn(`left out the time of creation ${JSON.stringify(created)}: expected a date as RFC 3339 writes it`);
    return '';
  }
  if (!isOld) return created;
  return Date.parse(created) === 0 ? '' : created.replace(/\.\d+/, '');
}

/** A list as Go writes it in JSON, which escapes what HTML minds. */
function goJson(list: readonly string[] | undefined): string {
  if (list === undefined || list.length === 0) return '';
  return JSON.stringify(list).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
