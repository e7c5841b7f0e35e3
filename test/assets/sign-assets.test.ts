import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { parseChecksums } from '../../server/assets/checksums.js';
import type { SigningKey } from '../../server/openpgp/signing-key.js';
import { parseDetachedSignature, verifyHashed } from '../../server/openpgp/verify.js';
import { hashFile } from '../../server/stream/hash-file.js';
import { actions, image, makeOtherKey, type SigningDepot, signingDepot } from '../fixtures/signing-depot.js';
import { loadTestKey } from '../fixtures/test-key.js';

let depot: SigningDepot;
let other: SigningKey;
let otherHome: SigningDepot;

beforeAll(async () => {
  otherHome = await signingDepot();
  other = await makeOtherKey(join(otherHome.dir, 'keys'));
});
afterAll(() => otherHome.remove());
beforeEach(async () => {
  depot = await signingDepot();
});
afterEach(() => depot.remove());

async function verdict(file: string, signature: string, key: SigningKey): Promise<string> {
  const parsed = await parseDetachedSignature(readFileSync(signature));
  const { hashes } = await hashFile(file, [parsed.hashName]);
  const hash = hashes.get(parsed.hashName);
  if (hash === undefined) throw new Error('not hashed');
  return (await verifyHashed(parsed, hash, [key.certificate], new Date())).state;
}

async function signAndName(
  options: Parameters<SigningDepot['sign']>[0] = {},
): Promise<Record<string, string>> {
  return actions(await depot.sign(options), depot.assets);
}

test('every ACI gets one armored signature over its bytes, at any depth, and nothing else is touched', async () => {
  depot.place('hyperkube:v1.3.6_coreos.0.aci', await image('1'));
  depot.place('deep/er/b.aci', await image('2'));
  depot.place('README.md', 'text');
  expect(await signAndName()).toEqual({
    'deep/er/b.aci': 'signed',
    'hyperkube:v1.3.6_coreos.0.aci': 'signed',
  });
  expect(readdirSync(depot.assets).sort()).toEqual([
    'README.md',
    'deep',
    'hyperkube:v1.3.6_coreos.0.aci',
    'hyperkube:v1.3.6_coreos.0.aci.asc',
  ]);
  const armor = readFileSync(depot.at('deep/er/b.aci.asc'), 'latin1');
  expect(armor.match(/^-----BEGIN PGP SIGNATURE-----$/gm)).toHaveLength(1);
  const key = await loadTestKey();
  expect(await verdict(depot.at('deep/er/b.aci'), depot.at('deep/er/b.aci.asc'), key)).toBe('good');
});

test('signing again writes nothing', async () => {
  depot.place('a.aci', await image('1'));
  depot.place('boot/vmlinuz', 'kernel');
  await depot.sign({ boot: true });
  const before = versions();
  expect(await signAndName({ boot: true })).toEqual({
    'a.aci': 'good',
    'boot/vmlinuz': 'good',
    SHA256SUMS: 'good',
    'boot/SHA256SUMS': 'good',
  });
  expect(versions()).toEqual(before);
});

function versions(): (readonly [string, number, number])[] {
  const names = readdirSync(depot.assets, { recursive: true }).map(String).sort();
  return names.map((name) => {
    const { ino, mtimeMs } = statSync(depot.at(name));
    return [name, ino, mtimeMs] as const;
  });
}

test('SHA-512 is the default, SHA-256 the choice, and a good signature of either is left', async () => {
  depot.place('a.aci', await image('1'));
  await depot.sign({ hashName: 'sha256' });
  expect((await parseDetachedSignature(readFileSync(depot.at('a.aci.asc')))).hashName).toBe('sha256');
  expect(await signAndName()).toEqual({ 'a.aci': 'good' });
  expect(await signAndName({ force: true })).toEqual({ 'a.aci': 're-signed' });
  expect((await parseDetachedSignature(readFileSync(depot.at('a.aci.asc')))).hashName).toBe('sha512');
});

test('a signature that is stale, by another key, or none at all is made again, with the reason', async () => {
  for (const name of ['stale', 'foreign', 'text', 'fine']) depot.place(`${name}.aci`, await image(name));
  await depot.sign();
  await depot.sign({ paths: [depot.at('foreign.aci')], key: other, force: true });
  depot.place('stale.aci', await image('newer'));
  depot.place('text.aci.asc', '<html>');
  const files = await depot.sign();
  expect(actions(files, depot.assets)).toEqual({
    'fine.aci': 'good',
    'foreign.aci': 're-signed',
    'stale.aci': 're-signed',
    'text.aci': 're-signed',
  });
  const reasons = Object.fromEntries(
    files.map(({ path, reason }) => [path.slice(depot.assets.length + 1), reason]),
  );
  expect(reasons['stale.aci']).toContain('does not match the bytes');
  expect(reasons['foreign.aci']).toContain(other.fingerprint);
  expect(reasons['text.aci']).toContain('the signature');
  expect(await signAndName()).toEqual({
    'fine.aci': 'good',
    'foreign.aci': 'good',
    'stale.aci': 'good',
    'text.aci': 'good',
  });
});

test('what is called .aci and is none is refused by name, and signed by force', async () => {
  depot.place('no.aci', 'not an image');
  const [refused] = await depot.sign();
  expect(refused).toMatchObject({ action: 'refused', code: 'ACI_INVALID' });
  expect(refused?.reason).toContain(depot.at('no.aci'));
  expect(existsSync(depot.at('no.aci.asc'))).toBe(false);
  expect(await signAndName({ force: true })).toEqual({ 'no.aci': 'signed' });
  expect(await signAndName()).toEqual({ 'no.aci': 'good' });
});

test('an image that was replaced by something else keeps no new signature', async () => {
  depot.place('a.aci', await image('1'));
  await depot.sign();
  const old = readFileSync(depot.at('a.aci.asc'));
  depot.place('a.aci', 'rubbish');
  expect(await signAndName()).toEqual({ 'a.aci': 'refused' });
  expect(readFileSync(depot.at('a.aci.asc'))).toEqual(old);
});

test('a dry run says the same and writes nothing', async () => {
  depot.place('a.aci', await image('1'));
  depot.place('vmlinuz', 'kernel');
  const planned = await signAndName({ boot: true, dryRun: true });
  expect(readdirSync(depot.assets).sort()).toEqual(['a.aci', 'vmlinuz']);
  expect(await signAndName({ boot: true })).toEqual(planned);
});

test('one file that fails does not stop the others', async () => {
  depot.place('a.aci', await image('1'));
  depot.place('b.aci', await image('2'));
  mkdirSync(depot.at('a.aci.asc'));
  const files = await depot.sign();
  expect(actions(files, depot.assets)).toEqual({ 'a.aci': 'failed', 'b.aci': 'signed' });
});

test('paths outside the assets folder are signed where they are, a missing one is said', async () => {
  const outside = join(depot.dir, 'other');
  mkdirSync(outside);
  writeFileSync(join(outside, 'x.aci'), await image('1'));
  const files = await depot.sign({ paths: [outside, join(outside, 'x.aci'), depot.at('none.aci')] });
  expect(files.map(({ path, action }) => [path, action])).toEqual([
    [depot.at('none.aci'), 'failed'],
    [join(outside, 'x.aci'), 'signed'],
  ]);
});

test('a named file that is no ACI is refused, unless boot files are wanted', async () => {
  const path = depot.place('notes.bin', 'bytes');
  expect(await signAndName({ paths: [path] })).toEqual({ 'notes.bin': 'refused' });
  expect(await signAndName({ paths: [path], boot: true })).toEqual({ 'notes.bin': 'signed' });
  expect(readdirSync(depot.assets).sort()).toEqual(['notes.bin', 'notes.bin.sig']);
});

test('a link has a signature of its own, and one that leaves the folder is passed over', async () => {
  depot.place('v1.aci', await image('1'));
  writeFileSync(join(depot.dir, 'outside.aci'), await image('2'));
  symlinkSync('v1.aci', depot.at('latest.aci'));
  symlinkSync('../outside.aci', depot.at('out.aci'));
  expect(await signAndName()).toEqual({ 'latest.aci': 'signed', 'v1.aci': 'signed' });
});

test('a file that changes while it is read is read again, and the signature is of the last bytes', async () => {
  const path = depot.place('a.aci', await image('first'));
  const newer = await image('second');
  let reads = 0;
  const progress = {
    start: () => undefined,
    advance() {
      reads += 1;
      if (reads > 1) return;
      writeFileSync(`${path}.new`, newer);
      renameSync(`${path}.new`, path);
    },
  };
  expect(await signAndName({ progress })).toEqual({ 'a.aci': 'signed' });
  expect(await verdict(path, `${path}.asc`, await loadTestKey())).toBe('good');
  expect(readFileSync(path)).toEqual(newer);
});

test('a file that never stops changing is given up, and left without a signature', async () => {
  const path = depot.place('a.aci', await image('1'));
  const progress = { start: () => undefined, advance: () => utimesSync(path, 1, 1) };
  const [file] = await depot.sign({ progress });
  expect(file).toMatchObject({ action: 'failed', code: 'FILE_CHANGED' });
  expect(readdirSync(depot.assets)).toEqual(['a.aci']);
});

test('an interruption ends the run and leaves nothing half-written', async () => {
  for (const name of ['a', 'b', 'c']) depot.place(`${name}.aci`, await image(name));
  const stop = new AbortController();
  const signing = depot.sign({ jobs: 1, signal: stop.signal, onFile: () => stop.abort() });
  await expect(signing).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(readdirSync(depot.assets).sort()).toEqual(['a.aci', 'a.aci.asc', 'b.aci', 'c.aci']);
});

test('boot files get binary signatures, and each folder a signed list of all its files', async () => {
  depot.place('boot/vmlinuz:v1', 'kernel');
  depot.place('boot/initrd', 'files');
  depot.place('boot/notes\nwith\\odd name', 'text');
  depot.place('boot/app.aci', await image('1'));
  depot.place('boot/no.aci', 'refused');
  expect(await signAndName({ boot: true })).toEqual({
    'boot/SHA256SUMS': 'signed',
    'boot/app.aci': 'signed',
    'boot/initrd': 'signed',
    'boot/no.aci': 'refused',
    'boot/vmlinuz:v1': 'signed',
  });
  const list = readFileSync(depot.at('boot/SHA256SUMS'), 'utf8');
  expect(parseChecksums(list, '').map(({ name }) => name)).toEqual([
    'app.aci',
    'initrd',
    'notes\nwith\\odd name',
    'vmlinuz:v1',
  ]);
  const key = await loadTestKey();
  for (const [file, signature] of [
    ['boot/vmlinuz:v1', 'boot/vmlinuz:v1.sig'],
    ['boot/SHA256SUMS', 'boot/SHA256SUMS.gpg'],
  ] as const) {
    expect(readFileSync(depot.at(signature))[0]).toBe(0x89);
    expect(await verdict(depot.at(file), depot.at(signature), key)).toBe('good');
  }
});

test('a list follows its files: changed, added, removed', async () => {
  depot.place('vmlinuz', 'one');
  depot.place('initrd', 'one');
  await depot.sign({ boot: true });
  depot.place('vmlinuz', 'two');
  depot.place('extra.txt', 'new');
  rmSync(depot.at('initrd'));
  const done = await depot.sign({ boot: true });
  expect(done.find(({ path }) => path === depot.at('SHA256SUMS'))).toMatchObject({
    action: 're-signed',
    reason: 'the list changed',
  });
  const names = parseChecksums(readFileSync(depot.at('SHA256SUMS'), 'utf8'), '').map(({ name }) => name);
  expect(names).toEqual(['extra.txt', 'vmlinuz']);
});

test('what somebody else signed is kept, even if it is damaged, and replaced only by force', async () => {
  depot.place('vmlinuz', 'kernel');
  await depot.sign({ boot: true, key: other });
  depot.place('image.iso', 'bytes');
  depot.place('image.iso.sig', Buffer.from('3082', 'hex'));
  const before = readFileSync(depot.at('SHA256SUMS'), 'utf8');
  expect(await signAndName({ boot: true })).toEqual({
    'image.iso': 'kept',
    SHA256SUMS: 'kept',
    vmlinuz: 'kept',
  });
  expect(readFileSync(depot.at('SHA256SUMS'), 'utf8')).toBe(before);
  expect(await signAndName({ boot: true, force: true })).toEqual({
    'image.iso': 're-signed',
    SHA256SUMS: 're-signed',
    vmlinuz: 're-signed',
  });
});

test('what a retired key of this depot signed is signed again by its successor', async () => {
  depot.place('vmlinuz', 'kernel');
  await depot.sign({ boot: true, key: other });
  const retired = new Set([other.fingerprint]);
  expect(await signAndName({ boot: true, retired })).toEqual({
    SHA256SUMS: 're-signed',
    vmlinuz: 're-signed',
  });
});

test('an unsigned list that contradicts its files is not overwritten', async () => {
  depot.place('vmlinuz', 'kernel');
  const list = `${'0'.repeat(64)}  ./vmlinuz\n`;
  depot.place('SHA256SUMS', list);
  const files = await depot.sign({ boot: true });
  expect(actions(files, depot.assets)).toEqual({ SHA256SUMS: 'refused', vmlinuz: 'signed' });
  expect(readFileSync(depot.at('SHA256SUMS'), 'utf8')).toBe(list);
  expect(existsSync(depot.at('SHA256SUMS.gpg'))).toBe(false);
  expect(await signAndName({ boot: true, force: true })).toMatchObject({ SHA256SUMS: 'signed' });
});

test('a file that changes after it was listed is listed as it is in the end', async () => {
  depot.place('initrd', 'one');
  const path = depot.place('zz-last', 'one');
  let changed = false;
  const onFile = (): void => {
    if (changed) return;
    changed = true;
    writeFileSync(depot.at('initrd'), 'two');
  };
  await depot.sign({ boot: true, jobs: 1, onFile });
  const key = await loadTestKey();
  expect(await verdict(depot.at('initrd'), depot.at('initrd.sig'), key)).toBe('good');
  const list = parseChecksums(readFileSync(depot.at('SHA256SUMS'), 'utf8'), '');
  const { hashes } = await hashFile(depot.at('initrd'), ['sha256']);
  expect(list[0]).toEqual({ name: 'initrd', sha256: hashes.get('sha256')?.digest('hex') });
  expect(existsSync(path)).toBe(true);
});

test('a good signature is good whatever the times of the files are', async () => {
  const path = depot.place('a.aci', await image('1'));
  await depot.sign();
  utimesSync(path, 2_000_000_000, 2_000_000_000);
  utimesSync(`${path}.asc`, 1_000_000_000, 1_000_000_000);
  expect(await signAndName()).toEqual({ 'a.aci': 'good' });
});

test('what a killed run left behind is removed', async () => {
  depot.place('a.aci', await image('1'));
  depot.place('.bootdepot-999999999-0123456789ab.tmp', 'half');
  await depot.sign();
  expect(readdirSync(depot.assets).sort()).toEqual(['a.aci', 'a.aci.asc']);
});
