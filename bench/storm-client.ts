/**
 * Many machines that boot at once. Each opens one connection and asks, one after the other, for a boot script, a
 * kernel, an initrd, their signatures and the blobs of an image; one connection more (the probe) asks for the
 * script every few milliseconds all through. Bodies are thrown away inside the kernel.
 *
 * Started by storm.ts: `storm-client.ts PORT CLIENTS ARRIVAL_MS`. Prints a {@link StormResult} as JSON.
 */
import { RawDownload } from './raw-download.js';
import { Poller } from './raw-sockets.js';

/** What a storm was like; latencies in ms, from the request to the last byte of its answer. */
export interface StormResult {
  readonly seconds: number;
  readonly bytes: number;
  /** Of all answers up to 4 KiB; the first one of a client counts from its connect. */
  readonly small: readonly number[];
  readonly probe: readonly number[];
}

const SCRIPT = '/assets/boot.json';
const SMALL = new Set([SCRIPT, '/assets/kernel.asc', '/assets/initrd.asc', '/assets/blob-4k']);
const BOOT = [
  SCRIPT,
  '/assets/kernel',
  '/assets/kernel.asc',
  '/assets/initrd',
  '/assets/initrd.asc',
  '/assets/blob-4k',
  '/assets/blob-1m-a',
  '/assets/blob-1m-b',
];
const PROBE_EVERY_MS = 5;

const [port, clients, arrivalMs] = process.argv.slice(2).map(Number);
/** Connections whose answer is timed are looked at before each of the others: only the server is to make them wait. */
const timed = new Poller();
const bulk = new Poller();
bulk.add(timed.descriptor);
const small: number[] = [];
const probeLatencies: number[] = [];

/** One machine: where it is in its list, and since when it waits. */
class Machine {
  readonly connection: RawDownload;
  #poller: Poller | undefined;
  #next = 0;
  #since = performance.now();

  constructor() {
    this.connection = new RawDownload(port ?? 0, 'discard');
    this.#ask(SCRIPT);
  }

  /** Takes what has come; true when the list is done. */
  proceed(): boolean {
    if (!this.connection.take()) return false;
    const now = performance.now();
    if (this.#poller === timed) small.push(now - this.#since);
    this.#since = now;
    this.#next += 1;
    const path = BOOT[this.#next];
    if (path !== undefined) this.#ask(path);
    return path === undefined;
  }

  #ask(path: string): void {
    const { descriptor } = this.connection;
    this.connection.ask(path);
    const poller = SMALL.has(path) ? timed : bulk;
    if (poller === this.#poller) return;
    this.#poller?.remove(descriptor);
    poller.add(descriptor);
    this.#poller = poller;
  }
}

const machines = new Map<number, Machine>();
const probe = new RawDownload(port ?? 0, 'discard');
timed.add(probe.descriptor);
const started = performance.now();
let bytes = 0;
let arrived = 0;
let askedAt: number | undefined;
let probeAt = started;

/** Lets machines arrive evenly, and the probe ask, as their time comes; returns ms until that is again so. */
function keepSchedule(): number {
  const now = performance.now();
  const arrivalAt = (index: number) => started + (index * (arrivalMs ?? 0)) / (clients ?? 1);
  while (arrived < (clients ?? 0) && arrivalAt(arrived) <= now) {
    const machine = new Machine();
    machines.set(machine.connection.descriptor, machine);
    arrived += 1;
  }
  if (askedAt === undefined && probeAt <= now) {
    probe.ask(SCRIPT);
    askedAt = now;
  }
  const nextArrival = arrived < (clients ?? 0) ? arrivalAt(arrived) - now : 1000;
  return Math.min(nextArrival, askedAt === undefined ? probeAt - now : 1000);
}

function proceed(descriptor: number): void {
  const machine = machines.get(descriptor);
  if (machine?.proceed() === true) {
    bytes += machine.connection.bytes;
    machine.connection.close();
    machines.delete(descriptor);
  }
  if (descriptor !== probe.descriptor || askedAt === undefined || !probe.take()) return;
  const now = performance.now();
  probeLatencies.push(now - askedAt);
  probeAt = Math.max(now, askedAt + PROBE_EVERY_MS);
  askedAt = undefined;
}

while (arrived < (clients ?? 0) || machines.size > 0) {
  for (const descriptor of bulk.wait(keepSchedule())) {
    for (const first of timed.wait(0)) proceed(first);
    if (descriptor !== timed.descriptor) proceed(descriptor);
    keepSchedule();
  }
}
const result: StormResult = {
  seconds: (performance.now() - started) / 1000,
  bytes,
  small,
  probe: probeLatencies,
};
console.log(JSON.stringify(result));
