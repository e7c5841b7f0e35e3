/**
 * Conversion of two images, one of 200 MB in few large files and one of 100,000 small files, beside the plain tools: the
 * same layers through `gzip -dc | pigz`, and merged by `tar` and compressed by `pigz`. In turns, whole processes.
 *
 *     npm run build && npx tsx bench/convert.ts [ROUNDS]
 *
 * Needs Linux, tar, gzip, pigz and GNU time.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Bar, digits, formatSpread, printBars, printTable, spreadOf } from './report.js';

const ROUNDS = Number(process.argv[2] ?? 5);
const PROGRAM = resolve('dist/scripts/bootdepot.js');
const LARGE_BYTES = 200_000_000;
const SMALL_FILES = 100_000;
const SMALL_BYTES = 900;

/** How a process went. */
interface Run {
  readonly seconds: number;
  /** Of all processors together; says more than `seconds` where the machine has other work. */
  readonly processorSeconds: number;
  readonly rssMb: number;
  /** Bytes of what it wrote. */
  readonly size: number;
}

/** One program: what it is called, and a shell line that writes a file. */
interface Peer {
  readonly name: string;
  readonly line: (layout: string, layers: readonly string[], out: string) => string;
}

const convertLine =
  (level: number): Peer['line'] =>
  (layout, _, out) =>
    `${process.execPath} ${PROGRAM} convert oci:${layout} --to ${out} --name image --no-sign --level ${level}`;
const pigzLine =
  (level: number): Peer['line'] =>
  (_, layers, out) =>
    `mkdir -p ${out} && gzip -dc ${layers.join(' ')} | pigz -${level} -p2 > ${out}/image.aci`;
const mergeLine: Peer['line'] = (_, layers, out) => {
  const unpack = layers.map((layer) => `tar -C ${out}/tree -xzf ${layer}`).join(' && ');
  return `mkdir -p ${out}/tree && ${unpack} && tar -C ${out}/tree -c . | pigz -6 -p2 > ${out}/image.aci`;
};

const PEERS: readonly Peer[] = [
  { name: 'bootdepot, level 6', line: convertLine(6) },
  { name: 'bootdepot, level 1', line: convertLine(1) },
  { name: 'gzip -dc | pigz -6 -p2', line: pigzLine(6) },
  { name: 'tar, tar | pigz -6 -p2', line: mergeLine },
];

async function measure(dir: string, line: string, out: string): Promise<Run> {
  const memory = join(dir, 'memory');
  const start = performance.now();
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '%M %U %S', '-o', memory, 'sh', '-c', line], {
    encoding: 'utf8',
  });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${line} ended with ${status}: ${stderr}`);
  const [kilobytes = Number.NaN, user = Number.NaN, system = Number.NaN] = (await readFile(memory, 'utf8'))
    .split(' ')
    .map(Number);
  const rssMb = (kilobytes * 1024) / 1e6;
  const { size } = await stat(join(out, 'image.aci'));
  await rm(out, { recursive: true });
  return { seconds, processorSeconds: user + system, rssMb, size };
}

/** Writes an image of one layer for each folder. */
async function writeLayout(layout: string, folders: readonly string[]): Promise<readonly string[]> {
  const blobs = join(layout, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const layers: { readonly path: string; readonly descriptor: object }[] = [];
  for (const folder of folders) {
    const bytes = execFileSync('sh', ['-c', `tar -C ${folder} --sort=name -c . | pigz -6`], {
      maxBuffer: 2 ** 31,
    });
    const { path, descriptor } = await writeBlob(blobs, bytes, 'layer.v1.tar+gzip');
    layers.push({ path, descriptor });
  }
  const config = await writeBlob(
    blobs,
    Buffer.from('{"os":"linux","architecture":"amd64"}'),
    'config.v1+json',
  );
  const manifest = {
    schemaVersion: 2,
    config: config.descriptor,
    layers: layers.map((one) => one.descriptor),
  };
  const { descriptor } = await writeBlob(blobs, Buffer.from(JSON.stringify(manifest)), 'manifest.v1+json');
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
  return layers.map(({ path }) => path);
}

async function writeBlob(blobs: string, bytes: Buffer, type: string) {
  const hex = createHash('sha256').update(bytes).digest('hex');
  const path = join(blobs, hex);
  await writeFile(path, bytes);
  const mediaType = `application/vnd.oci.image.${type}`;
  return { path, descriptor: { mediaType, digest: `sha256:${hex}`, size: bytes.length } };
}

/** Real programs and libraries of this machine, until there are enough of them. */
async function makeLarge(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const list = 'find /usr/bin /usr/lib -xdev -type f -size +500k | sort';
  const files = execFileSync('sh', ['-c', list], { encoding: 'utf8' }).trim().split('\n');
  let total = 0;
  for (const [index, file] of files.entries()) {
    if (total >= LARGE_BYTES) return;
    const bytes = (await readFile(file)).subarray(0, LARGE_BYTES - total);
    total += bytes.length;
    await writeFile(join(folder, `file-${index}`), bytes);
  }
}

async function makeSmall(folder: string): Promise<void> {
  const text = execFileSync('sh', ['-c', 'cat /usr/share/common-licenses/* /etc/*.conf | head -c 400000']);
  for (let index = 0; index < SMALL_FILES; index += 1) {
    const dir = join(folder, `d${Math.floor(index / 1000)}`, `e${Math.floor(index / 100) % 10}`);
    if (index % 100 === 0) await mkdir(dir, { recursive: true });
    const start = (index * 37) % (text.length - SMALL_BYTES);
    await writeFile(join(dir, `file-${index}.txt`), text.subarray(start, start + SMALL_BYTES));
  }
}

async function race(dir: string, what: string, folders: readonly string[]): Promise<Map<string, Run[]>> {
  const layout = join(dir, `${what}-layout`);
  const layers = await writeLayout(layout, folders);
  const runs = new Map(PEERS.map(({ name }): [string, Run[]] => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { name, line } of PEERS) {
      const out = join(dir, 'out');
      runs.get(name)?.push(await measure(dir, line(layout, layers, out), out));
    }
  }
  const rows = [...runs].map(([name, all]) => [
    name,
    formatSpread(spreadOf(all.map(({ seconds }) => seconds))),
    digits(spreadOf(all.map((run) => run.processorSeconds)).median),
    digits(spreadOf(all.map(({ rssMb }) => rssMb)).max),
    digits((all[0]?.size ?? Number.NaN) / 1e6),
  ]);
  printTable(`${what}: min / median / max`, [
    ['', 'seconds', 'processor s', 'peak RSS MB', 'size MB'],
    ...rows,
  ]);
  return runs;
}

function median(runs: ReadonlyMap<string, readonly Run[]>, name: string, key: keyof Run): number {
  return spreadOf((runs.get(name) ?? []).map((run) => run[key])).median;
}

const dir = await mkdtemp(join(tmpdir(), 'bootdepot-bench-'));
try {
  const [first, second] = [join(dir, 'large'), join(dir, 'small')];
  await makeLarge(first);
  await makeSmall(second);
  const large = await race(dir, 'large', [first]);
  const small = await race(dir, 'small', [second]);
  const pigz = 'gzip -dc | pigz -6 -p2';
  const toPigz = (name: string) => median(large, pigz, 'seconds') / median(large, name, 'seconds');
  const bars: Bar[] = [
    {
      name: 'large, level 6: speed of pigz -6',
      value: toPigz('bootdepot, level 6'),
      goal: 1,
      wants: 'least',
    },
    {
      name: 'large, level 1: speed of pigz -6',
      value: toPigz('bootdepot, level 1'),
      goal: 2,
      wants: 'least',
    },
    {
      name: 'large, level 6: size of pigz -6',
      value: median(large, 'bootdepot, level 6', 'size') / median(large, pigz, 'size'),
      goal: 1.02,
      wants: 'most',
    },
    {
      name: '100,000 files, seconds',
      value: median(small, 'bootdepot, level 6', 'seconds'),
      goal: 3,
      wants: 'most',
    },
    {
      name: '100,000 files, peak RSS MB',
      value: median(small, 'bootdepot, level 6', 'rssMb'),
      goal: 250,
      wants: 'most',
    },
  ];
  printBars(bars);
} finally {
  await rm(dir, { recursive: true });
}
