/**
 * `/client/`: the configuration of machines, so that each can fetch its own. `/client/KIND` is for eyes, an ending asks
 * for a form: `/client/rkt.sh`, `/client/containerd.tar`, `/client/ignition.json?kind=containerd,rkt`.
 */
import { type Request, type Response, Router } from 'express';
import {
  CLIENT_FORMATS,
  type ClientFormat,
  configureClient,
  DepotError,
  listClientKinds,
  type Publication,
  publishedKeys,
  type RawOptions,
} from '../index.js';
import { onlyReads } from './only-reads.js';
import { knownOriginOf, originOf } from './origin.js';
import { answerPlainText } from './plain-text.js';
import { splitTarget } from './request-target.js';

/** What the routes need. */
export interface ClientsOptions {
  /** The folder of keys. */
  readonly keysDir: string;
  readonly publicUrl?: string | undefined;
}

/** Makes the routes. */
export function clientsRouter({ keysDir, publicUrl }: ClientsOptions): Router {
  const publication = publishedKeys(keysDir);
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route('/')
    .all(onlyReads)
    .get(async (req, res) => {
      const text = await listing(originOf(req, publicUrl));
      send(res, 'text/plain; charset=utf-8', Buffer.from(text));
    });
  router
    .route('/:name')
    .all(onlyReads)
    .get(async (req, res) => answer(req, res, req.params.name, { keysDir, publicUrl, publication }));
  return router;
}

interface Sources extends ClientsOptions {
  readonly publication: () => Promise<Publication>;
}

async function answer(req: Request, res: Response, name: string, sources: Sources): Promise<void> {
  const { keysDir, publicUrl, publication } = sources;
  const { kinds, format, options } = await readRequest(req, name);
  const address = knownOriginOf(req, publicUrl);
  try {
    const made = await configureClient({ kinds, format, options, address, keysDir, publication });
    const type = CLIENT_FORMATS.get(format)?.contentType ?? 'application/octet-stream';
    send(res, type, Buffer.from(made.rendered));
  } catch (error) {
    if (!isTold(error)) throw error;
    answerPlainText(res, error.code === 'USAGE' ? 400 : 404, error.message);
  }
}

/** What these say is made of the request alone. */
function isTold(error: unknown): error is DepotError {
  return error instanceof DepotError && (error.code === 'USAGE' || error.code === 'KEY_MISSING');
}

/** What was asked for. */
interface Asked {
  readonly kinds: string;
  readonly format: ClientFormat;
  readonly options: RawOptions;
}

/** @throws DepotError `NOT_FOUND`: there is no such kind or form */
async function readRequest(req: Request, name: string): Promise<Asked> {
  const options = optionsIn(new URLSearchParams(splitTarget(req.url).query));
  const kinds = options.get('kind')?.join(',');
  options.delete('kind');
  const [, stem = '', ending] = /^([a-z0-9-]+)(?:\.([a-z]+))?$/.exec(name) ?? [];
  const format = formatOf(ending);
  if (format !== undefined && stem === format && kinds !== undefined) return { kinds, format, options };
  const known = (await listClientKinds()).some((kind) => kind.name === stem && kind.name !== 'kubernetes');
  if (format === undefined || !known) throw new DepotError('NOT_FOUND', `no configuration is at ${req.path}`);
  return { kinds: stem, format, options };
}

function formatOf(ending: string | undefined): ClientFormat | undefined {
  if (ending === undefined) return 'files';
  return [...CLIENT_FORMATS].find(([, form]) => form.ending === ending)?.[0];
}

function optionsIn(query: URLSearchParams): Map<string, readonly string[]> {
  return new Map([...new Set(query.keys())].map((key) => [key, query.getAll(key)]));
}

async function listing(origin: string): Promise<string> {
  const kinds = (await listClientKinds()).filter(({ name }) => name !== 'kubernetes');
  const paths = kinds.map(({ name, text }) => `/client/${name.padEnd(14)} ${text}`);
  return `${[
    'Configuration for machines that use this depot:',
    '',
    ...paths,
    '',
    `For eyes:          curl '${origin}/client/podman?require-signatures'`,
    `To unpack at /:    curl '${origin}/client/containerd.tar?mirror-of=quay.io,docker.io'`,
    `A shell script:    curl ${origin}/client/rkt.sh (run it with --dry-run first)`,
    `While it boots:    ${origin}/client/ignition.json?kind=containerd,rkt; butane.bu, cloud-config.yaml, script.sh, files.txt too`,
    '',
    'The options of a query are those of bootdepot client --help.',
  ].join('\n')}\n`;
}

function send(res: Response, type: string, content: Buffer): void {
  res.statusCode = 200;
  res.setHeader('Content-Type', type);
  res.setHeader('Content-Length', content.length);
  res.setHeader('Cache-Control', 'no-cache');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.end(content);
}
