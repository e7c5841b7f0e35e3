/**
 * Signing an image of 1 GiB with an RSA-4096 key: bootdepot, `gpg --detach-sign` with the same key, and, as the floor,
 * `openssl dgst`, which only hashes. In turns, whole processes from start to end, the file in the page cache.
 *
 *     npm run build && npx tsx bench/sign.ts [ROUNDS]
 *
 * Needs Linux, gpg, gpgv, openssl, tar and GNU time.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Bar, digits, formatSpread, printBars, printTable, spreadOf } from './report.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const ROUNDS = Number(process.argv[2] ?? 5);
const HASHES = ['sha256', 'sha512'] as const;
const PROGRAM = resolve('dist/scripts/bootdepot.js');
const MANIFEST = { acKind: 'ImageManifest', acVersion: '0.8.11', name: 'example.com/large' };

/** How a process went. */
interface Run {
  readonly seconds: number;
  /** Most memory it had at any time, megabytes. */
  readonly rssMb: number;
}

/** A folder with an image, a folder of keys, and a GnuPG home with the same key. */
interface Bench {
  readonly dir: string;
  readonly image: string;
  readonly keyring: string;
}

/** The programs under test: arguments for one hash. */
const PEERS: Readonly<Record<string, (bench: Bench, hash: string) => readonly string[]>> = {
  bootdepot: ({ dir, image }, hash) => signCommand(dir, image, hash),
  gpg: ({ dir, image }, hash) => [
    ...['gpg', '--homedir', dir, '--batch', '--yes', '--digest-algo', hash],
    ...['--output', `${image}.gpg.sig`, '--detach-sign', image],
  ],
  openssl: ({ image }, hash) => ['openssl', 'dgst', `-${hash}`, image],
};

function signCommand(dir: string, image: string, hash: string): readonly string[] {
  return [process.execPath, PROGRAM, 'sign', image, '--force', '--hash', hash, '--keys', join(dir, 'keys')];
}

async function measure(dir: string, command: readonly string[]): Promise<Run> {
  const memory = join(dir, 'memory');
  const start = performance.now();
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '%M', '-o', memory, ...command]);
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`);
  return { seconds, rssMb: (Number(await readFile(memory, 'utf8')) * 1024) / 1e6 };
}

async function prepare(): Promise<Bench> {
  // Right below /tmp: the socket of gpg's agent lies in it, and socket paths must be short.
  const dir = await mkdtemp('/tmp/bootdepot-bench-');
  const tree = join(dir, 'tree');
  await mkdir(join(tree, 'rootfs'), { recursive: true });
  await writeFile(join(tree, 'manifest'), JSON.stringify(MANIFEST));
  await writeBlob(join(tree, 'rootfs/blob'));
  const image = join(dir, 'large.aci');
  execFileSync('tar', ['-C', tree, '-cf', image, 'manifest', 'rootfs']);
  await rm(tree, { recursive: true });
  const keys = join(dir, 'keys');
  const key = ['key', 'create', '--name', 'Bench', '--email', 'bench@example.com', '--keys', keys];
  execFileSync(process.execPath, [PROGRAM, ...key], { stdio: 'ignore' });
  const secret = join(keys, 'signing-key.asc');
  execFileSync('gpg', ['--homedir', dir, '--batch', '--quiet', '--import', secret], { stdio: 'ignore' });
  const keyring = join(dir, 'keyring.gpg');
  await writeFile(keyring, execFileSync('gpg', ['--homedir', dir, '--quiet', '--export']));
  return { dir, image, keyring };
}

async function writeBlob(path: string): Promise<void> {
  const file = await open(path, 'w');
  const block = Buffer.alloc(MIB, 'bootdepot');
  for (let position = 0; position < GIB; position += MIB) {
    block.writeDoubleBE(position, 0);
    await file.write(block);
  }
  await file.close();
}

async function race(bench: Bench, hash: string): Promise<Map<string, Run[]>> {
  const runs = new Map(Object.keys(PEERS).map((name): [string, Run[]] => [name, []]));
  // The first round warms the page cache and gpg's agent, and is not counted.
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, command] of Object.entries(PEERS)) {
      const run = await measure(bench.dir, command(bench, hash));
      if (round > 0) runs.get(name)?.push(run);
    }
  }
  for (const signature of [`${bench.image}.asc`, `${bench.image}.gpg.sig`]) checkSignature(bench, signature);
  return runs;
}

/** gpgv takes binary signatures only from a file that is one, so gpg takes the armor off. */
function checkSignature({ dir, image, keyring }: Bench, signature: string): void {
  const binary = join(dir, 'checked.sig');
  const args = signature.endsWith('.asc') ? ['--dearmor', '--output', binary, signature] : undefined;
  if (args !== undefined) execFileSync('gpg', ['--homedir', dir, '--batch', '--yes', ...args]);
  execFileSync('gpgv', ['--quiet', '--keyring', keyring, args ? binary : signature, image], {
    stdio: 'ignore',
  });
}

function reportRace(hash: string, runs: ReadonlyMap<string, readonly Run[]>): Bar[] {
  const rows = [...runs].map(([name, all]) => [
    name,
    formatSpread(spreadOf(all.map(({ seconds }) => seconds))),
    formatSpread(spreadOf(all.map(({ rssMb }) => rssMb))),
  ]);
  printTable(`1 GiB, RSA-4096, ${hash}: min / median / max`, [['', 'seconds', 'peak RSS MB'], ...rows]);
  const median = (name: string): number => spreadOf((runs.get(name) ?? []).map((run) => run.seconds)).median;
  const gpgGoal = hash === 'sha256' ? 1.8 : 1.4;
  const toOpenssl = median('bootdepot') / median('openssl');
  const toGpg = median('gpg') / median('bootdepot');
  return [
    { name: `${hash}: time of openssl dgst`, value: toOpenssl, goal: 1.2, wants: 'most' },
    { name: `${hash}: speed of gpg`, value: toGpg, goal: gpgGoal, wants: 'least' },
  ];
}

/** Peak memory by the size of the image; zeros after the end of an archive belong to it. */
async function reportMemory({ dir, image }: Bench): Promise<Bar[]> {
  const peaks: number[] = [];
  for (const size of [64 * MIB, 4 * GIB]) {
    await truncate(image, size);
    const { rssMb } = await measure(dir, signCommand(dir, image, 'sha512'));
    peaks.push(rssMb);
  }
  const [small = Number.NaN, large = Number.NaN] = peaks;
  const row = [digits(small), digits(large)];
  printTable('memory of bootdepot sign, MB', [['64 MiB', '4 GiB'], row]);
  return [
    { name: 'peak RSS, MB', value: Math.max(small, large), goal: 80, wants: 'most' },
    { name: '4 GiB more than 64 MiB, MB', value: large - small, goal: 10, wants: 'most' },
  ];
}

const bench = await prepare();
try {
  const bars: Bar[] = [];
  for (const hash of HASHES) bars.push(...reportRace(hash, await race(bench, hash)));
  bars.push(...(await reportMemory(bench)));
  printBars(bars);
} finally {
  spawnSync('gpgconf', ['--homedir', bench.dir, '--kill', 'all']);
  await rm(bench.dir, { recursive: true });
}
