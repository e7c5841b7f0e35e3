/**
 * Downloads one file over several connections at once, a few times on each, and prints seconds and bytes as JSON.
 * Started by other benchmarks: `drain-client.ts PORT PATH CONNECTIONS TIMES copy|discard [SECONDS]`; after so many seconds
 * what is under way is given up, and counts as far as it came.
 */
import { RawDownload } from './raw-download.js';
import { Poller } from './raw-sockets.js';

const [port, path = '', connections, times, sink, most] = process.argv.slice(2);
const poller = new Poller();
const open = new Map<number, RawDownload>();
const left = new Map<number, number>();
for (let count = 0; count < Number(connections); count += 1) {
  const download = new RawDownload(Number(port), sink === 'discard' ? 'discard' : 'copy');
  open.set(download.descriptor, download);
  left.set(download.descriptor, Number(times) - 1);
  poller.add(download.descriptor);
}

const started = performance.now();
let bytes = 0;
const mostMs = most === undefined ? Number.POSITIVE_INFINITY : Number(most) * 1000;
for (const download of open.values()) download.ask(path);
while (open.size > 0 && performance.now() - started < mostMs) {
  for (const descriptor of poller.wait(1000)) {
    const download = open.get(descriptor);
    if (download?.take() !== true) continue;
    const again = left.get(descriptor) ?? 0;
    if (again > 0) {
      left.set(descriptor, again - 1);
      download.ask(path);
      continue;
    }
    bytes += download.bytes;
    open.delete(descriptor);
    download.close();
  }
}
for (const download of open.values()) bytes += download.bytes;
console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, bytes }));
