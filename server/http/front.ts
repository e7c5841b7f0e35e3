/** What happens to a request, from the listener on: noted, perhaps refused, answered from memory or by a route. */
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import {
  Access,
  AciIndex,
  Arrivals,
  type Config,
  createMetrics,
  type Housekeeping,
  type Log,
  type Metrics,
  NamedImages,
  type Notifier,
  openNotifier,
  openRegistry,
  PullThrough,
  startHousekeeping,
  type Timing,
} from '../index.js';
import { createObserver, observeUnreadable } from './access-log.js';
import { aciAnswers } from './aci-answers.js';
import { aciRouter } from './aci-routes.js';
import { createApp } from './app.js';
import { type AssetsOptions, assetAnswers, assetsRouter } from './assets.js';
import { createBundlesHandler, isBundlesUrl } from './bundles.js';
import { clientsRouter } from './clients.js';
import { type Connections, createConnections } from './connections.js';
import { discoveryHandler } from './discovery.js';
import { healthRouter } from './health.js';
import { homeRouter } from './home.js';
import { createHotFiles } from './hot-files.js';
import { addSignatureMetrics, openImageSignatures } from './image-signatures.js';
import { imagesByNameRouter, namesInAssets } from './images-by-name.js';
import { keysRouter } from './keys.js';
import { lookasideHandler } from './lookaside.js';
import { readinessOf, type Signing } from './readiness.js';
import { type OnUnreadable, refuseRequest } from './refusals.js';
import { createRegistryHandler } from './registry/handler.js';
import { createHotBlobs } from './registry/hot-blobs.js';
import { createHotManifests } from './registry/hot-manifests.js';
import { isLocal, isOverheard } from './registry/local.js';
import {
  addHousekeepingMetrics,
  addNotificationMetrics,
  addRegistryMetrics,
  addUpstreamMetrics,
} from './registry/metrics.js';
import { isRegistryUrl } from './registry/route.js';
import { UploadSlots } from './registry/upload-slots.js';
import { watchRegistry } from './registry/watch.js';
import {
  addConversionMetrics,
  answerByName,
  namesInRegistry,
  openRegistryAcis,
  ownHosts,
} from './registry-images.js';
import { loadSendfile } from './sendfile.js';
import { createTransfers, type Transfers } from './transfers.js';

/** What a depot consists of when it starts. */
export interface Depot {
  readonly config: Config;
  readonly log: Log;
  /** Where the server signs by itself. */
  readonly signing?: Signing | undefined;
  /** Where systemd leaves its words and proxies are named; by default the environment of the process. */
  readonly env?: Readonly<NodeJS.ProcessEnv>;
  /** How long upstreams may take, where it is to be other than usual. */
  readonly upstreamTiming?: Partial<Timing>;
}

/** The parts that all listeners of a depot share. */
export interface Front {
  readonly handle: RequestListener;
  readonly onUnreadable: OnUnreadable;
  readonly connections: Connections;
  readonly transfers: Transfers;
  readonly housekeeping: Housekeeping;
  readonly notifier: Notifier;
  /** Breaks off what is under way without a client. */
  end(): Promise<void>;
}

/** Puts the routes of a depot together. Nothing listens yet. */
export async function createFront(depot: Depot): Promise<Front> {
  const { config, log, signing } = depot;
  const { assets, limits } = config;
  const metrics = await createMetrics();
  const connections = createConnections(limits.connections);
  const transfers = createTransfers({
    sendfile: config.transfers.sendfile ? await loadSendfile() : undefined,
  });
  const hot = createHotFiles({ maxBytes: config.transfers.memory, transfers });
  const { logger } = log;
  const access = await openAccess(config, log);
  const registry = await openRegistry({
    dir: join(config.data.dir, 'registry'),
    immutableTags: config.registry.immutableTags,
    freeSpace: limits.freeSpace,
    allowSparse: config.registry.allowSparse,
    onDamage: (digest) => logger.error({ digest }, 'content did not match its digest and was put aside'),
  });
  const env = depot.env ?? process.env;
  const { lookaside, signer } = openImageSignatures({ config, registry, logger, env });
  const notifier = await openNotifier({
    layout: registry.layout,
    endpoints: config.registry.notifications,
    logger,
  });
  registry.events.listen(notifier.note);
  const pullThrough = new PullThrough({
    registry,
    config: config.registry,
    env: depot.env,
    timing: depot.upstreamTiming,
  });
  const housekeeping = startHousekeeping(registry, config.registry, logger, pullThrough.scrubbing);
  const gate = { access, deletes: config.registry.delete, publicUrl: config.publicUrl, logger };
  const slots = new UploadSlots(limits.uploads, limits.uploadsPerClient);
  const answerRegistry = createRegistryHandler({
    ...{ registry, pullThrough, transfers, slots, ...gate },
    hotManifests: createHotManifests(registry, config.registry.memory),
    hotBlobs: createHotBlobs(registry),
    signatures: config.registry.signatureExtension ? { lookaside, keysDir: config.keys.dir } : undefined,
  });
  const served: AssetsOptions = {
    ...assets,
    keysDir: config.keys.dir,
    transfers,
    hot,
    signatureState: signing?.signatureState,
  };
  const answerBundles = createBundlesHandler({
    ...gate,
    slots,
    target: {
      registry,
      assets: served,
      keysDir: config.keys.dir,
      lookasideDir: join(config.data.dir, 'lookaside'),
    },
  });
  const images = indexImages(config, log);
  const acis = await openRegistryAcis({ config, registry, pullThrough, logger, env });
  const hosts = ownHosts(config);
  const [host] = hosts;
  const arrivals = new Arrivals({ acis, globs: config.convert.auto, host, logger });
  registry.events.listen(arrivals.note);
  const answerAci = aciAnswers({ acis, transfers });
  const named = new NamedImages({ registry, pullThrough, acis, latest: config.aci.latest, hosts });
  const app = createApp({
    logger: log.logger,
    assets: assetsRouter(served),
    // What a name leads to may change, so neither caches nor our memory keep these answers.
    imagesByName: imagesByNameRouter(
      images,
      assetAnswers({ ...served, cache: [], hot: undefined }),
      answerByName(named, access, answerAci),
    ),
    acis: aciRouter({ acis, answer: answerAci, gate, host }),
    discovery: discoveryHandler({
      sources: [namesInAssets(images), namesInRegistry(named, access)],
      keysDir: config.keys.dir,
      publicUrl: config.publicUrl,
    }),
    health: healthRouter({ metrics, readiness: () => readinessOf(config, signing) }),
    keys: keysRouter({
      dir: config.keys.dir,
      onRefused: (file, reason) => log.logger.warn({ file, reason }, 'a key file is not served'),
    }),
    clients: clientsRouter({ keysDir: config.keys.dir, publicUrl: config.publicUrl }),
    lookaside: lookasideHandler(lookaside, logger),
    home: homeRouter({
      registry,
      listing: assets.listing,
      publicUrl: config.publicUrl,
      mayRead: (req, name) => access.mayRead({ user: undefined, local: isLocal(req) }, name),
    }),
  });
  const watch = watchRegistry(registry, config.publicUrl);
  const observe = createObserver(log, metrics, config.log.requests, watch);
  addFigures(metrics, connections, transfers, signing);
  addRegistryMetrics(metrics, registry);
  addHousekeepingMetrics(metrics, housekeeping);
  addNotificationMetrics(metrics, notifier);
  addUpstreamMetrics(metrics, pullThrough);
  addConversionMetrics(metrics, acis);
  addSignatureMetrics(metrics, signer);
  const handle: RequestListener = (req, res) => {
    const connection = connections.asked(req.socket);
    const writeDown = observe(req, res);
    res.once('close', () => {
      connections.answered(connection);
      writeDown();
    });
    if (refuseRequest(req, res, connection, limits.urlLength)) return;
    if (isRegistryUrl(req.url ?? '')) answerRegistry(req, res);
    else if (isBundlesUrl(req.url ?? '')) answerBundles(req, res);
    else if (!hot.answer(req, res)) app(req, res);
  };
  const onUnreadable = observeUnreadable(log, metrics, config.log.requests);
  const end = async () => {
    arrivals.stop();
    await Promise.all([acis.close(), pullThrough.close(), images.stop(), signer.stop()]);
  };
  return { handle, onUnreadable, connections, transfers, housekeeping, notifier, end };
}

function indexImages({ aci, assets, keys, data }: Config, { logger }: Log): AciIndex {
  const images = new AciIndex({
    assets: { ...assets, keysDir: keys.dir },
    memoryPath: join(data.dir, 'aci-index.jsonl'),
    latest: aci.latest,
    onPassedOver: (file, reason) => logger.debug({ file, reason }, 'not found by name'),
    onTrouble: (error) => logger.warn({ err: error }, 'not all images are found by name'),
  });
  images.start();
  return images;
}

async function openAccess(config: Config, { logger }: Log): Promise<Access> {
  const access = await Access.open(config.registry, (fault) =>
    logger.error({ fault }, 'a user cannot log in'),
  );
  const overheard = config.listen.filter(isOverheard).map(({ text }) => text);
  if (access.usesLogins && overheard.length > 0) {
    logger.warn({ listen: overheard }, 'passwords can be read on their way to these listeners: use https');
  }
  return access;
}

function addFigures(
  metrics: Metrics,
  connections: Connections,
  transfers: Transfers,
  signing: Signing | undefined,
): void {
  metrics.addGauge('bootdepot_open_connections', 'Connections that are open.', () => connections.count);
  metrics.addGauge('bootdepot_open_transfers', 'Files that are being sent.', () => transfers.open);
  metrics.addTotal(
    'bootdepot_transfer_bytes_total',
    'Bytes of files handed to the kernel, also of answers that were cut short.',
    () => transfers.bytes,
  );
  if (signing === undefined) return;
  metrics.addStates('bootdepot_signatures', 'Files by the state of their signature.', () => signing.counts());
}
