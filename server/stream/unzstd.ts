/**
 * zstd, by the WebAssembly build of Zstandard in the zstddec package, on a thread of its own: the library's memory
 * neither shrinks nor comes back when decompression is left early, so it ends with the thread.
 */
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { Worker } from 'node:worker_threads';
import { DepotError } from '../errors.js';

/** What goes to the thread in one piece; what stands in it is decompressed before more is taken. */
const INPUT_BYTES = 64 * 1024;

/**
 * A text and not a file, so that it runs the same from the sources and from what was built of them. It answers every
 * message once: with bytes, with `'more'` when it needs input, with `'end'`, or with what is wrong. The library calls
 * for its input while it runs, so it is asked for output only while a piece lies ready. On damaged data it goes on
 * for ever without a result; good data gives none at most once for each byte.
 */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const pieces = [];
let ended = false, idle = 0, most = 64, started;
function* input() {
  for (;;) {
    if (pieces.length > 0) { const piece = pieces.shift(); idle = 0; most = piece.length + 64; yield piece; }
    else if (ended) return;
    else throw new Error('asked too early');
  }
}
function step(output) {
  for (;;) {
    if (pieces.length === 0 && !ended) return 'more';
    const { done, value } = output.next();
    if (done) return 'end';
    if (value.length > 0) { idle = 0; return value; }
    if (++idle > most) throw new Error('damaged data');
  }
}
async function start() {
  const { ZSTDDecoder } = await import(workerData);
  const decoder = new ZSTDDecoder();
  await decoder.init();
  return decoder.decodeStreaming(input());
}
parentPort.on('message', async (message) => {
  if (message === 'end') ended = true;
  else if (message !== 'go') pieces.push(message);
  try {
    const answer = step(await (started ??= start()));
    parentPort.postMessage(answer, typeof answer === 'string' ? [] : [answer.buffer]);
  } catch (error) {
    parentPort.postMessage({ problem: String(error && error.message || error) });
  }
});`;

const require = createRequire(import.meta.url);

type Answer = Uint8Array | 'more' | 'end' | { readonly problem: string };

/**
 * Undoes zstd: one frame or many, frames to be skipped among them, windows up to 128 MiB. Output comes in chunks of
 * 128 KiB at most; while one is used, the next is made.
 *
 * @throws DepotError `ARCHIVE_INVALID`: damaged, cut short, followed by other bytes, or a larger window
 */
export async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const thread = new ZstdThread();
  try {
    for await (const chunk of source) {
      for (let offset = 0; offset < chunk.length; offset += INPUT_BYTES) {
        thread.isUsed = true;
        yield* thread.feed(Uint8Array.from(chunk.subarray(offset, offset + INPUT_BYTES)));
      }
    }
    if (!thread.isUsed) throw damaged('no data');
    yield* thread.feed('end');
  } finally {
    await thread.stop();
  }
}

class ZstdThread {
  isUsed = false;
  readonly #worker: Worker;

  constructor() {
    const library = pathToFileURL(require.resolve('zstddec/stream')).href;
    this.#worker = new Worker(PROGRAM, { eval: true, workerData: library });
    this.#worker.unref();
  }

  /** Hands over a piece and yields what comes of it, until the next is wanted. */
  async *feed(piece: Uint8Array<ArrayBuffer> | 'end'): AsyncGenerator<Uint8Array> {
    let answer = this.#ask(piece);
    for (;;) {
      const given = await answer;
      if (given === 'more' || given === 'end') return;
      if (!(given instanceof Uint8Array)) throw damaged(given.problem);
      answer = this.#ask('go');
      // Whoever leaves here leaves that answer behind.
      answer.catch(() => undefined);
      yield given;
    }
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask(message: Uint8Array<ArrayBuffer> | 'end' | 'go'): Promise<Answer> {
    const answer = once(this.#worker, 'message');
    this.#worker.ref();
    if (typeof message === 'string') this.#worker.postMessage(message);
    else this.#worker.postMessage(message, [message.buffer]);
    const [given]: Answer[] = await answer;
    return given ?? 'end';
  }
}

function damaged(reason: unknown): DepotError {
  const text = types.isNativeError(reason) ? reason.message : String(reason);
  return new DepotError('ARCHIVE_INVALID', `damaged or cut zstd data: ${text}`, {});
}
