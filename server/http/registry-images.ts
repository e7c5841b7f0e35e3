/** The parts of a depot that give images of its registry as ACIs. */
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import {
  type Access,
  AciCache,
  type Config,
  currentSigningKey,
  DepotError,
  givenPassphrase,
  isAcIdentifier,
  type Logger,
  type MayRead,
  type Metrics,
  type NamedImages,
  type PullThrough,
  type Registry,
  RegistryAcis,
} from '../index.js';
import { type AnswerAci, answerIfImpossible } from './aci-answers.js';
import type { ImageNames } from './discovery.js';
import { type AnswerElsewhere, TEMPLATE } from './images-by-name.js';
import { isLocal } from './registry/local.js';

/** What they are made of. */
export interface RegistryImagesOptions {
  readonly config: Config;
  readonly registry: Registry;
  readonly pullThrough: PullThrough;
  readonly logger: Logger;
  readonly env: Readonly<NodeJS.ProcessEnv>;
}

/**
 * Opens the cache of converted images.
 *
 * @throws DepotError `ACCESS_DENIED`, `DISK_FULL`, `IO_FAILED`
 */
export async function openRegistryAcis(options: RegistryImagesOptions): Promise<RegistryAcis> {
  const { config, registry, pullThrough, logger } = options;
  return new RegistryAcis({
    registry,
    pullThrough,
    cache: await AciCache.open(join(config.data.dir, 'aci-cache'), config.aci.cache),
    signingKey: usableKey(options),
    hashName: config.sign.hash,
    freeSpace: config.limits.freeSpace,
    limits: config.convert.limits,
    logger,
  });
}

/** Images are given without a signature where the key cannot be used; the log says why, once for each reason. */
function usableKey({ config, env, logger }: RegistryImagesOptions): RegistryAcisKey {
  const passphrase = () => givenPassphrase(config.sign.passphraseFile, env);
  const current = currentSigningKey(config.keys.dir, passphrase);
  let said = '';
  return async () => {
    try {
      return await current();
    } catch (error) {
      if (!(error instanceof DepotError)) throw error;
      if (said !== error.message) logger.warn({ err: error }, 'converted images are not signed');
      said = error.message;
      return undefined;
    }
  };
}

type RegistryAcisKey = ReturnType<typeof currentSigningKey>;

/** The hosts whose names are this depot's to give, as the configuration says; the first is put before names that have none. */
export function ownHosts({ publicUrl, aci }: Config): string[] {
  const known = publicUrl === undefined ? [] : [new URL(publicUrl).hostname];
  return [...known, ...aci.hosts].filter(isAcIdentifier);
}

/** What discovery says of the names in the registry: of those that whoever asks may read. */
export function namesInRegistry(images: NamedImages, access: Access): ImageNames {
  return async (name, req) => ((await images.knows(name, readableBy(req, access))) ? TEMPLATE : undefined);
}

/** Answers with images of the registry by their full names. */
export function answerByName(images: NamedImages, access: Access, answer: AnswerAci): AnswerElsewhere {
  return async (req, res, wanted, file) => {
    try {
      const found = await images.find(wanted, readableBy(req, access));
      if (found !== undefined) await answer(req, res, found, file);
      return found !== undefined;
    } catch (error) {
      answerIfImpossible(res, error);
      return true;
    }
  };
}

/** Nobody logs in to discover. */
function readableBy(req: IncomingMessage, access: Access): MayRead {
  const caller = { user: undefined, local: isLocal(req) };
  return (repository) => access.mayRead(caller, repository);
}

/** Adds the figures of the conversions. */
export function addConversionMetrics(metrics: Metrics, acis: RegistryAcis): void {
  const { figures } = acis;
  metrics.addTotal(
    'bootdepot_conversions_total',
    'Images of the registry that were converted.',
    () => figures.converted,
  );
  metrics.addTotal(
    'bootdepot_conversions_failed_total',
    'Conversions that did not succeed.',
    () => figures.failed,
  );
  metrics.addTotal(
    'bootdepot_conversion_seconds_total',
    'Time that conversions took which succeeded.',
    () => figures.seconds,
  );
  metrics.addGauge(
    'bootdepot_aci_cache_bytes',
    'Bytes of converted images that are kept.',
    () => acis.cacheBytes,
  );
}
