/**
 * Events as other programs read them: in the reference registry's envelope (distribution, "Notifications"), or as CloudEvents
 * 1.0 in their structured JSON form.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Tag } from '../../oci/reference.js';
import type { Cause, ContentEvent } from '../events.js';

/** Which of the two. */
export type NotificationFormat = 'distribution' | 'cloudevents';

/** A message that is ready to be sent. */
export interface NotificationMessage {
  readonly contentType: string;
  /** A JSON document. */
  readonly body: string;
}

/** This process, for whoever gets events of several. */
const SOURCE = { addr: hostname(), instanceID: randomUUID() };

/** The messages that an event leads to: one, or one for each tag that was set. */
export function messagesOf(event: ContentEvent, format: NotificationFormat): NotificationMessage[] {
  const cause = event.cause();
  const tags = event.tags.length === 0 ? [undefined] : event.tags;
  return tags.map((tag) =>
    format === 'cloudevents' ? cloudEvent(event, cause, tag) : envelope(event, cause, tag),
  );
}

function envelope(event: ContentEvent, cause: Cause, tag: Tag | undefined): NotificationMessage {
  const document = {
    events: [
      {
        id: randomUUID(),
        timestamp: new Date().toISOString(),
        action: event.action,
        ...detailsOf(event, cause, tag),
        source: SOURCE,
      },
    ],
  };
  return {
    contentType: 'application/vnd.docker.distribution.events.v2+json',
    body: JSON.stringify(document),
  };
}

function cloudEvent(event: ContentEvent, cause: Cause, tag: Tag | undefined): NotificationMessage {
  const { action, kind, repository, digest } = event;
  const document = {
    specversion: '1.0',
    id: randomUUID(),
    type: `bootdepot.registry.${kind}.${action}`,
    source: `${cause.origin}/v2/${repository}`,
    subject: tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: { action, ...detailsOf(event, cause, tag) },
  };
  return { contentType: 'application/cloudevents+json', body: JSON.stringify(document) };
}

/** What both forms have in common. What is not known is left out. */
function detailsOf(event: ContentEvent, cause: Cause, tag: Tag | undefined) {
  const { kind, repository, digest, size } = event;
  const place = kind === 'blob' ? `blobs/${digest}` : `manifests/${digest ?? tag}`;
  return {
    target: {
      mediaType: event.mediaType,
      size,
      digest,
      length: size,
      repository,
      fromRepository: event.from,
      url: `${cause.origin}/v2/${repository}/${place}`,
      tag,
    },
    request: {
      id: cause.id,
      addr: cause.address,
      host: cause.origin.replace(/^https?:\/\//, ''),
      method: cause.method,
      useragent: cause.userAgent,
    },
    actor: { name: cause.user },
  };
}
