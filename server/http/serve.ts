/** A depot that answers, from the first listener to the last byte. */
import { followExpiry } from './certificate-renewal.js';
import { createFront, type Depot, type Front } from './front.js';
import { type Listeners, openListeners, type Place } from './listeners.js';
import { inheritedSockets } from './socket-activation.js';
import { createNotify } from './systemd-notify.js';

/** What a depot is started with. */
export interface ServeOptions extends Depot {
  /** Whether nobody chose a listener: sockets of systemd then take the place of the default one. */
  readonly listenByDefault: boolean;
  /** How often the certificate files are looked at, in milliseconds; by default 5,000. */
  readonly lookEveryMs?: number;
}

/** A depot that is answering. */
export interface RunningDepot {
  /** Where, as URLs (`http://127.0.0.1:8080`) or `unix:/path`. */
  readonly urls: readonly string[];
  /**
   * Takes no more connections, closes idle ones, and lets answers end for as long as the configuration says.
   *
   * @returns how many connections were cut in the middle of an answer when that time was over
   */
  stop(): Promise<number>;
}

const LOOK_EVERY_MS = 5_000;

/**
 * Opens all listeners of a depot and tells the service manager.
 *
 * @throws DepotError `ADDRESS_UNAVAILABLE`, `CERTIFICATE_INVALID`, `CONFIG_INVALID`; nothing listens then
 */
export async function startDepot(options: ServeOptions): Promise<RunningDepot> {
  const { config, log } = options;
  const env = options.env ?? process.env;
  const front = await createFront(options);
  const unfollow = await followExpiry(config, log.logger);
  const listeners = await openListeners(placesOf(options, env), {
    config,
    front,
    logger: log.logger,
    lookEveryMs: options.lookEveryMs ?? LOOK_EVERY_MS,
  }).catch(async (error: unknown) => {
    unfollow();
    await Promise.all([front.housekeeping.stop(), front.notifier.stop(), front.end()]);
    throw error;
  });
  const { urls } = listeners;
  const notify = createNotify(env);
  await notify(`READY=1\nSTATUS=listening on ${urls.join(' ')}`);
  log.logger.info({ urls }, 'listening');
  return {
    urls,
    async stop() {
      await notify('STOPPING=1');
      unfollow();
      const cut = await drain(listeners, front, config.limits.drain);
      await front.end();
      log.logger.info({ cut }, 'stopped');
      return cut;
    },
  };
}

function placesOf(options: ServeOptions, env: Readonly<NodeJS.ProcessEnv>): readonly Place[] {
  const inherited = inheritedSockets(env, process.pid);
  if (inherited.length > 0 && options.listenByDefault) return inherited;
  return [...inherited, ...options.config.listen];
}

async function drain(
  listeners: Listeners,
  { connections, housekeeping, notifier }: Front,
  limitMs: number,
): Promise<number> {
  let cut = 0;
  listeners.close();
  const tidied = housekeeping.stop();
  connections.drain();
  const limit = setTimeout(() => {
    cut = connections.cut();
  }, limitMs);
  await Promise.all([connections.whenEmpty(), tidied]);
  clearTimeout(limit);
  listeners.cutHandshakes();
  await notifier.stop();
  return cut;
}
