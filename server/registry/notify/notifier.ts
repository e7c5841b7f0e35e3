/** Tells receivers what happens in a registry. */
import picomatch from 'picomatch';
import type { Logger } from '../../log.js';
import type { ContentEvent, RegistryEvent } from '../events.js';
import type { Layout } from '../layout.js';
import { Endpoint, type EndpointConfig } from './endpoint.js';
import { messagesOf } from './envelope.js';

/** What notifications are sent with. */
export interface NotifierOptions {
  readonly layout: Layout;
  readonly endpoints: readonly EndpointConfig[];
  readonly logger: Logger;
}

/** Notifications at work. */
export interface Notifier {
  /** A listener of the registry's events: whoever waits for it finds the event in the spools. */
  readonly note: (event: RegistryEvent) => Promise<void> | undefined;
  readonly endpoints: readonly Endpoint[];
  /** Ends the delivery; what was not delivered stays on the disk. */
  stop(): Promise<void>;
}

/**
 * Begins to send notifications, those first that another process left.
 *
 * @throws DepotError `CONFIG_INVALID`, `NOT_FOUND`, `ACCESS_DENIED`: a file of header fields cannot be used
 */
export async function openNotifier({ layout, endpoints, logger }: NotifierOptions): Promise<Notifier> {
  const receivers = await Promise.all(
    endpoints.map(async (config) => ({
      endpoint: await Endpoint.open(config, layout.own('notifications', config.name), logger),
      matches: picomatch(config.repositories),
    })),
  );
  const wants = ({ endpoint, matches }: (typeof receivers)[number], event: ContentEvent) =>
    endpoint.config.events.includes(event.action) && matches(event.repository);
  return {
    endpoints: receivers.map(({ endpoint }) => endpoint),
    note(event) {
      if (!('kind' in event)) return undefined;
      const wanting = receivers.filter((receiver) => wants(receiver, event));
      return wanting.length === 0
        ? undefined
        : send(
            event,
            wanting.map(({ endpoint }) => endpoint),
          );
    },
    async stop() {
      await Promise.all(receivers.map(({ endpoint }) => endpoint.stop()));
    },
  };
}

async function send(event: ContentEvent, endpoints: readonly Endpoint[]): Promise<void> {
  await Promise.all(
    endpoints.flatMap((endpoint) =>
      messagesOf(event, endpoint.config.format).map((message) => endpoint.add(message)),
    ),
  );
}
