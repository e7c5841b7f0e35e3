import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { verifyAssets } from '../../server/assets/verify-assets.js';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { image, type SigningDepot, signingDepot } from '../fixtures/signing-depot.js';
import { loadTestKey, testKeyFolder } from '../fixtures/test-key.js';

/** `KILL_POINTS` is for a long run by hand. */
const KILLS = Number(process.env.KILL_POINTS ?? 8);

let depot: SigningDepot;
let content: Buffer;

beforeAll(async () => {
  content = await image('1');
});
beforeEach(async () => {
  depot = await signingDepot();
  await testKeyFolder(depot.dir);
});
afterEach(() => depot.remove());

const sign = (...args: string[]) => bootdepot(depot.dir, ['sign', ...args]);
const signatures = (): string[] =>
  readdirSync(depot.assets)
    .filter((name) => name.endsWith('.asc'))
    .sort();

test('each file and the total are said on stdout; all good is exit 0', () => {
  depot.place('a.aci', content);
  depot.place('b.aci', content);
  expect(sign('--jobs', '1')).toEqual({
    status: 0,
    out: 'signed      assets/a.aci\nsigned      assets/b.aci\n2 files: 2 signed\n',
    talk: '',
  });
  rmSync(depot.at('b.aci.asc'));
  expect(sign('--jobs', '1').out).toBe(
    'good        assets/a.aci\nsigned      assets/b.aci\n2 files: 1 good, 1 signed\n',
  );
});

test('nothing to sign is no failure', () => {
  expect(sign()).toEqual({ status: 0, out: '', talk: 'nothing to sign\n' });
});

test('some refused is exit 3, all refused is exit 1, each with its name', () => {
  depot.place('bad.aci', 'text');
  expect(sign()).toMatchObject({
    status: 1,
    out: expect.stringContaining('refused     assets/bad.aci: '),
    talk: 'bootdepot: 1 of 1 files could not be signed\n',
  });
  depot.place('good.aci', content);
  expect(sign()).toMatchObject({ status: 3, talk: 'bootdepot: 1 of 2 files could not be signed\n' });
  expect(signatures()).toEqual(['good.aci.asc']);
});

test('a dry run says what would be done', () => {
  depot.place('a.aci', content);
  expect(sign('--dry-run').out).toBe('would sign  assets/a.aci\ndry run: 1 file: 1 signed\n');
  expect(signatures()).toEqual([]);
});

test('for scripts there is one JSON document', async () => {
  depot.place('a.aci', content);
  depot.place('bad.aci', 'text');
  const { out, status } = sign('--json');
  const { fingerprint } = await loadTestKey();
  expect(JSON.parse(out)).toEqual({
    dryRun: false,
    key: fingerprint,
    files: [
      { path: 'assets/a.aci', signature: 'assets/a.aci.asc', action: 'signed', reason: '' },
      {
        path: 'assets/bad.aci',
        signature: 'assets/bad.aci.asc',
        action: 'refused',
        reason: expect.stringContaining('bad.aci'),
        code: 'ACI_INVALID',
      },
    ],
    totals: { signed: 1, refused: 1 },
  });
  expect(status).toBe(3);
});

test('a name cannot write to the terminal', () => {
  depot.place('a\u001b[2J\nb.aci', content);
  expect(sign().out).toContain('signed      assets/a\\u001b[2J\\nb.aci\n');
});

test.each([
  [['--jobs', '0'], 2, '--jobs: expected a number from 1 to 64'],
  [['--hash', 'md5'], 2, 'sha256'],
  [['--quiet', 'soon', '--watch'], 2, '--quiet: expected a time'],
  [['--watch', '--dry-run'], 2, '--watch and --dry-run'],
  [['--no-such-flag'], 2, 'unknown option'],
  [['--keys', 'nowhere'], 1, 'no signing key'],
  [['missing.aci'], 1, '1 of 1 files could not be signed'],
])('%j ends with %i and one clear line', (args, status, line) => {
  depot.place('a.aci', content);
  const ended = sign(...args);
  expect(ended.status).toBe(status);
  expect(ended.talk.split('\n')[0]).toContain(line);
  expect(signatures()).toEqual([]);
});

test('a locked key is opened with a passphrase from a file, and refused without', () => {
  rmSync(join(depot.dir, 'keys'), { recursive: true });
  writeFileSync(join(depot.dir, 'pass'), 'correct horse\n');
  const key = ['--name', 'Rack', '--email', 'a@example.com', '--passphrase-file', 'pass'];
  mustBootdepot(depot.dir, ['key', 'create', ...key]);
  depot.place('a.aci', content);
  expect(sign()).toMatchObject({ status: 1, talk: expect.stringContaining('locked') });
  expect(sign('--passphrase-file', 'pass')).toMatchObject({ status: 0 });
});

/** A command under way. */
function begin(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [resolve('dist/scripts/bootdepot.js'), 'sign', ...args], {
    cwd: depot.dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Sends a signal when the command has written so many lines, and waits for its end. */
async function signalAfter(child: ChildProcess, lines: number, signal: NodeJS.Signals): Promise<void> {
  if (child.stdout === null) throw new Error('no stdout');
  let seen = 0;
  createInterface(child.stdout).on('line', () => {
    seen += 1;
    if (seen === lines) child.kill(signal);
  });
  if (lines === 0) child.kill(signal);
  child.stderr?.resume();
  await once(child, 'close');
}

const isTemporary = (name: string): boolean => name.startsWith('.bootdepot-');

async function states(): Promise<Set<string>> {
  const { certificate } = await loadTestKey();
  const assets = { dir: depot.assets, symlinks: 'inside' } as const;
  const rest = { paths: [], boot: false, jobs: 2, now: new Date(), onFile: () => undefined };
  const files = await verifyAssets({ assets, keyring: [certificate], ...rest });
  return new Set(files.map(({ state }) => state));
}

describe('with forty images', () => {
  beforeEach(() => {
    for (let index = 0; index < 40; index += 1) depot.place(`image-${index}.aci`, content);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s ends with 130 and leaves nothing half-written',
    async (signal) => {
      const child = begin([]);
      await signalAfter(child, 5, signal);
      expect(child.exitCode).toBe(130);
      expect(readdirSync(depot.assets).filter(isTemporary)).toEqual([]);
      expect(signatures().length).toBeLessThan(40);
      expect(await states()).toEqual(new Set(['good', 'missing']));
    },
  );

  test(
    'SIGKILL at many points leaves no signature or a good one, and the next run clears up',
    async () => {
      for (let lines = 1; lines <= KILLS; lines += 1) {
        const child = begin(lines % 2 === 0 ? [] : ['--force', '--jobs', '4']);
        await signalAfter(child, lines, 'SIGKILL');
        expect(child.signalCode).toBe('SIGKILL');
        const found = await states();
        found.delete('missing');
        expect([...found]).toEqual(['good']);
      }
      mustBootdepot(depot.dir, ['sign']);
      expect(await states()).toEqual(new Set(['good']));
      expect(readdirSync(depot.assets).filter(isTemporary)).toEqual([]);
    },
    30_000 + KILLS * 4_000,
  );
});

test('a full disk is said in one line a file, and leaves no part of a signature', () => {
  depot.place('a.aci', content);
  // sh counts in blocks of 512 bytes: the limit is inside the armored signature.
  const command = `ulimit -f 1; exec "${process.execPath}" "${resolve('dist/scripts/bootdepot.js')}" sign`;
  const ended = spawnSync('sh', ['-c', command], { cwd: depot.dir, encoding: 'utf8' });
  expect(ended.status).toBe(1);
  expect(ended.stdout).toContain(
    'failed      assets/a.aci.asc cannot be written: the file size limit is reached\n',
  );
  expect(ended.stderr).toBe('bootdepot: 1 of 1 files could not be signed\n');
  expect(readdirSync(depot.assets)).toEqual(['a.aci']);
});

test('--watch signs what comes, a line each, and ends in order', async () => {
  depot.place('a.aci', content);
  const child = begin(['--watch', '--quiet', '100ms', '--json']);
  if (child.stdout === null) throw new Error('no stdout');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => JSON.parse((await lines.next()).value ?? 'null');
  expect(await next()).toMatchObject({ path: 'assets/a.aci', action: 'signed' });
  depot.place('b.aci', content);
  expect(await next()).toMatchObject({ path: 'assets/b.aci', action: 'signed' });
  child.kill('SIGTERM');
  await once(child, 'exit');
  expect(child.exitCode).toBe(0);
  expect(readFileSync(depot.at('b.aci.asc'), 'latin1')).toContain('BEGIN PGP SIGNATURE');
});

test('on a terminal a bar shows the speed, and the lines stand above it', () => {
  depot.place('a.aci', content);
  const command = `"${process.execPath}" "${resolve('dist/scripts/bootdepot.js')}" sign`;
  const ended = spawnSync('script', ['-qec', command, '/dev/null'], { cwd: depot.dir, encoding: 'utf8' });
  expect(ended.stdout).toContain(' MB/s');
  expect(ended.stdout).toContain('signed      assets/a.aci');
  expect(ended.stdout).toContain('1 file: 1 signed');
  expect(ended.status).toBe(0);
});
