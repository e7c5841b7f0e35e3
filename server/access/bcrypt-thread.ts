/** bcrypt on a thread of its own: a comparison takes 70 ms and more, for which no other request should wait. */
import { createRequire } from 'node:module';
import { types } from 'node:util';
import { Worker } from 'node:worker_threads';

/** A text and not a file, so that it runs the same from the sources and from what was built of them. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData);
parentPort.on('message', ({ id, password, hash }) => {
  parentPort.postMessage({ id, right: compareSync(password, hash) });
});`;

const require = createRequire(import.meta.url);

interface Question {
  readonly answer: (right: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/** Compares passwords one after the other. The thread starts with the first, and does not keep a process alive. */
export class BcryptThread {
  readonly #waiting = new Map<number, Question>();
  #worker: Worker | undefined;
  #asked = 0;

  /** Whether a password has this bcrypt hash. */
  compare(password: string, hash: string): Promise<boolean> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const id = this.#asked++;
    return new Promise((answer, fail) => {
      this.#waiting.set(id, { answer, fail });
      worker.ref();
      worker.postMessage({ id, password, hash });
    });
  }

  #start(): Worker {
    const worker = new Worker(PROGRAM, { eval: true, workerData: require.resolve('bcryptjs') });
    worker.on('message', ({ id, right }: { id: number; right: boolean }) => {
      this.#waiting.get(id)?.answer(right);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) worker.unref();
    });
    worker.on('error', (error) => this.#end(error));
    worker.on('exit', (code) => this.#end(new Error(`the thread for bcrypt ended with ${code}`)));
    return worker;
  }

  #end(reason: unknown): void {
    this.#worker = undefined;
    const error = types.isNativeError(reason) ? reason : new Error(String(reason));
    for (const { fail } of this.#waiting.values()) fail(error);
    this.#waiting.clear();
  }
}
