/** What Prometheus may ask: one registry a server, filled cheaply while requests pass and written out on request. */
import type { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The library, loaded by those who count: commands have no use for it. */
type Prometheus = typeof import('prom-client');

/** One finished answer. */
export interface AnswerFacts {
  readonly method: string;
  readonly status: number;
  /** A name from a small, fixed set: labels must not grow with what clients ask for. */
  readonly route: string;
  /** Body bytes, as far as they are known. */
  readonly bytes: number;
  readonly seconds: number;
}

/** The figures of one server. */
export interface Metrics {
  /** Counts an answer. */
  count(answer: AnswerFacts): void;
  /** Adds a figure that is read when somebody asks. */
  addGauge(name: string, help: string, read: () => number): void;
  /** Adds one figure per value of a label from a small, fixed set, read when somebody asks. */
  addGauges(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void;
  /** Adds one figure per state (`good`, `stale`, …), read when somebody asks. */
  addStates(name: string, help: string, read: () => Readonly<Record<string, number>>): void;
  /** Adds one total per value of a label from a small, fixed set, read when somebody asks. */
  addTotals(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void;
  /** Adds a total that only grows, read when somebody asks. */
  addTotal(name: string, help: string, read: () => number): void;
  /** All of them in Prometheus' text format, of type {@link contentType}. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** From small files out of memory to disk images over slow links. */
const DURATION_BUCKETS_S = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 600];

const COUNTED_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

interface Tally {
  readonly labels: { readonly method: string; readonly status: string; readonly route: string };
  readonly observe: (seconds: number) => void;
  answers: number;
  bytes: number;
}

/** Makes an empty set of figures, with those of the process (memory, event loop delay, …) in it. */
export async function createMetrics(): Promise<Metrics> {
  const prometheus = await import('prom-client');
  const registry = new prometheus.Registry();
  const registers = [registry];
  prometheus.collectDefaultMetrics({ register: registry });
  const tallies = new Map<string, Tally>();
  addTallies(prometheus, registers, tallies);
  const durations = new prometheus.Histogram({
    name: 'bootdepot_request_duration_seconds',
    help: 'Time from the request to the end of the answer.',
    labelNames: ['route'],
    buckets: DURATION_BUCKETS_S,
    registers,
  });
  const addGauges: Metrics['addGauges'] = (name, help, label, read) => {
    new prometheus.Gauge({ name, help, labelNames: [label], registers, collect: setEach(label, read) });
  };
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    count(answer) {
      const tally = tallyOf(tallies, answer, durations);
      tally.answers += 1;
      tally.bytes += answer.bytes;
      tally.observe(answer.seconds);
    },
    addGauge(name, help, read) {
      new prometheus.Gauge({ name, help, registers, collect: set(read) });
    },
    addGauges,
    addStates(name, help, read) {
      addGauges(name, help, 'state', read);
    },
    addTotals(name, help, label, read) {
      new prometheus.Counter({
        name,
        help,
        labelNames: [label],
        registers,
        collect: advanceEach(label, read),
      });
    },
    addTotal(name, help, read) {
      new prometheus.Counter({ name, help, registers, collect: advanceTo(read) });
    },
  };
}

function set(read: () => number) {
  return function (this: Gauge): void {
    this.set(read());
  };
}

function setEach(label: string, read: () => Readonly<Record<string, number>>) {
  return function (this: Gauge): void {
    for (const [value, count] of Object.entries(read())) this.set({ [label]: value }, count);
  };
}

function advanceTo(read: () => number) {
  return function (this: Counter): void {
    this.reset();
    this.inc(read());
  };
}

function advanceEach(label: string, read: () => Readonly<Record<string, number>>) {
  return function (this: Counter): void {
    this.reset();
    for (const [value, total] of Object.entries(read())) this.inc({ [label]: value }, total);
  };
}

/** Plain numbers while requests pass: prom-client's own counters look their labels up each time. */
function tallyOf(tallies: Map<string, Tally>, answer: AnswerFacts, durations: Histogram<'route'>): Tally {
  const method = COUNTED_METHODS.has(answer.method) ? answer.method : 'other';
  const status = `${Math.trunc(answer.status / 100)}xx`;
  const name = `${method} ${status} ${answer.route}`;
  const known = tallies.get(name);
  if (known !== undefined) return known;
  const { route } = answer;
  const { observe } = durations.labels(route);
  const made: Tally = { labels: { method, status, route }, observe, answers: 0, bytes: 0 };
  tallies.set(name, made);
  return made;
}

function addTallies(
  prometheus: Prometheus,
  registers: Registry[],
  tallies: ReadonlyMap<string, Tally>,
): void {
  new prometheus.Counter({
    name: 'bootdepot_requests_total',
    help: 'Answers by method, status class and part of the server.',
    labelNames: ['method', 'status', 'route'],
    registers,
    collect() {
      this.reset();
      for (const { labels, answers } of tallies.values()) this.inc(labels, answers);
    },
  });
  new prometheus.Counter({
    name: 'bootdepot_response_bytes_total',
    help: 'Body bytes of the answers that were sent in full.',
    labelNames: ['route'],
    registers,
    collect() {
      this.reset();
      for (const { labels, bytes } of tallies.values()) this.inc({ route: labels.route }, bytes);
    },
  });
}
