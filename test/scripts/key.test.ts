/** The built command, as a person runs it. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { encryptKey } from 'openpgp';
import { describeWith } from '../clients/programs.js';
import { revokedKey, testSecret } from '../fixtures/other-certificates.js';
import { SHORT_CERTIFICATION, TEST_SECRET, testKeyFolder } from '../fixtures/test-key.js';

const OWN = 'BBC715E9FEE48A3C49CF9987B00642C1B9399657';
const GROUPED = 'BBC7 15E9 FEE4 8A3C 49CF  9987 B006 42C1 B939 9657';
const BOOTDEPOT = resolve('dist/scripts/bootdepot.js');
const WHO = ['--name', 'Rack 7', '--email', 'ops@example.com'];

/** Each test starts the program several times, and some make a key. */
jest.setTimeout(120_000);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-key-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs `bootdepot key …` in the folder, with nobody to ask. */
function key(args: readonly string[], env: Record<string, string> = {}) {
  const { PATH } = process.env;
  const command = [BOOTDEPOT, 'key', ...args];
  const ended = spawnSync(process.execPath, command, {
    cwd: folder,
    env: { PATH, ...env },
    encoding: 'utf8',
  });
  return { status: ended.status, out: ended.stdout, talk: ended.stderr };
}

const inKeys = (name: string) => readFileSync(join(folder, 'keys', name), 'utf8');
const modeOf = (name: string) => (statSync(join(folder, name)).mode & 0o777).toString(8);

describe('key create', () => {
  test('makes a key, shows it, and never the secret', () => {
    const { status, out, talk } = key(['create', ...WHO, '--expires', '2y', '--created', '2015-01-31']);
    expect({ status, talk }).toMatchObject({ status: 0 });
    expect(out).toMatch(
      /^fingerprint {2}([0-9A-F]{4} ){5}( [0-9A-F]{4}){5}\nuser id {6}Rack 7 <ops@example.com>\n/,
    );
    expect(out).toMatch(/\nalgorithm {4}RSA 4096\ncreated {6}2015-01-31 00:00:00 UTC\nexpires {6}20\d\d-/);
    const secret = inKeys('signing-key.asc');
    for (const line of secret.split('\n').filter((text) => text.length > 40)) {
      expect(out + talk).not.toContain(line);
    }
    expect([modeOf('keys'), modeOf('keys/signing-key.asc')]).toEqual(['700', '600']);
    const shown = JSON.parse(key(['show', '--json']).out);
    expect(shown).toMatchObject({ userIds: ['Rack 7 <ops@example.com>'], secret: 'open', warnings: [] });
    expect(readdirSync(join(folder, 'keys')).sort()).toEqual(
      [`${shown.fingerprint}.asc`, 'signing-key.asc'].sort(),
    );
  });

  test('refuses to overwrite a key, and changes nothing', async () => {
    await testKeyFolder(folder);
    const { status, out, talk } = key(['create', ...WHO]);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(talk).toMatch(/^bootdepot: keys\/signing-key\.asc exists: .*--force.*\n$/);
    expect(inKeys('signing-key.asc')).toBe(readFileSync(TEST_SECRET, 'utf8'));
  });

  test.each([
    [['create'], /--name/],
    [['create', '--name', 'Rack 7'], /--email/],
    [['create', '--name', '<x>', '--email', 'a@b'], /--name/],
    [['create', '--name', 'x', '--email', 'nobody'], /--email/],
    [['create', ...WHO, '--expires', 'soon'], /--expires: expected a time from now such as 2y/],
    [['create', ...WHO, '--expires', '0s'], /--expires/],
    [['create', ...WHO, '--expires', '200y'], /2106/],
    [['create', ...WHO, '--created', '2015-02-31'], /--created: expected a date such as 2015-01-31/],
    [['create', ...WHO, '--created', '2999-01-01'], /^bootdepot: a date of a key/],
    [['create', ...WHO, '--created', '1969-01-01'], /1970/],
    [['create', ...WHO, '--bits', '2048'], /--bits/],
    [['export', '--format', 'pem'], /--format/],
    [['export', '--prefix', 'quay.io'], /--prefix goes with/],
    [['export', '--format', 'rkt-tree'], /--to/],
    [['export', '--format', 'rkt-tree', '--to', 't', '--prefix', 'https://quay.io'], /--prefix/],
    [['import'], /file/],
    [['frobnicate'], /frobnicate/],
  ])('%j is wrong use, said in a line', async (args, reason) => {
    if (args[0] === 'export') await testKeyFolder(folder);
    const { status, out, talk } = key(args);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(talk).toMatch(reason);
    expect(talk).not.toMatch(/\n {4}at /);
    if (args[0] !== 'export') expect(readdirSync(folder).filter((name) => name !== 'keys')).toEqual([]);
  });
});

describe('a folder that cannot be made or read as a file is said in a line', () => {
  test.each([
    ['create', [...WHO, '--keys', '/proc/x'], '/proc/x'],
    ['import', ['.'], '. is a folder, expected a file'],
    ['create', [...WHO, '--passphrase-file', '.'], 'is a folder, expected a file'],
  ])('key %s %j', (name, args, reason) => {
    const { status, out, talk } = key([name, ...args]);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(talk).toMatch(/^bootdepot: .+\n$/);
    expect(talk).toContain(reason);
  });
});

test('what a killed process left of a secret is removed by the next one that writes a key', () => {
  mkdirSync(join(folder, 'keys'));
  writeFileSync(join(folder, 'keys/.bootdepot-999999999-aaaaaaaaaaaa.tmp'), 'secret');
  expect(key(['create', ...WHO])).toMatchObject({ status: 0 });
  expect(readdirSync(join(folder, 'keys')).filter((name) => name.startsWith('.'))).toEqual([]);
});

describe('the passphrase', () => {
  test.each([
    ['a file', ['--passphrase-file', 'pass'], {}],
    ['the environment', [], { BOOTDEPOT_PASSPHRASE: 'correct horse' }],
  ])(
    'of a new key comes from %s, and a wrong one does not open it',
    async (_name, args, env) => {
      writeFileSync(join(folder, 'pass'), 'correct horse\r\nsecond line\n');
      expect(key(['create', ...WHO, ...args], env)).toMatchObject({ status: 0 });
      expect(key(['show']).out).toContain('here, locked with a passphrase');
      const elsewhere = ['import', 'keys/signing-key.asc', '--keys', 'elsewhere'];
      expect(key(elsewhere)).toMatchObject({ status: 1, talk: expect.stringContaining('the key is locked') });
      expect(key(elsewhere, { BOOTDEPOT_PASSPHRASE: 'wrong' })).toMatchObject({
        status: 1,
        talk: 'bootdepot: the passphrase does not open the key\n',
      });
      expect(key([...elsewhere, ...args], env)).toMatchObject({ status: 0 });
    },
    60_000,
  );

  test('file that is not there is said', () => {
    const { status, talk } = key(['create', ...WHO, '--passphrase-file', 'no']);
    expect({ status, talk }).toEqual({ status: 1, talk: 'bootdepot: no does not exist\n' });
  });
});

describe('key show', () => {
  test('shows the fingerprint in groups, the dates, the others, and where the secret is', async () => {
    await testKeyFolder(folder);
    expect(key(['show']).out).toBe(
      [
        `fingerprint  ${GROUPED}`,
        'user id      Test key, trust it for nothing <nobody@example.invalid>',
        'algorithm    RSA 4096',
        'created      2015-01-01 00:00:00 UTC',
        'expires      never',
        'secret       here, not locked',
        '',
      ].join('\n'),
    );
    rmSync(join(folder, 'keys', 'signing-key.asc'));
    expect(key(['show']).out).toContain('not here');
  });

  test('warns of a secret that others can read, of a revoked key, and of one that rkt refuses', async () => {
    const dir = await testKeyFolder(folder);
    copyFileSync(TEST_SECRET, join(dir, 'copy.asc'));
    spawnSync('chmod', ['644', join(dir, 'signing-key.asc')]);
    expect(key(['show']).talk).toMatch(/warning: .*copy\.asc holds a secret key.*\nwarning: .*chmod 600/);
    writeFileSync(join(dir, `${OWN}.asc`), (await revokedKey()).toPublic().armor());
    expect(key(['show'])).toMatchObject({
      status: 0,
      out: expect.stringContaining('revoked      yes'),
      talk: expect.stringContaining('cannot sign: it is revoked'),
    });
    expect(key(['import', SHORT_CERTIFICATION, '--keys', 'short']).talk).toContain('short RSA integer');
    expect(key(['show', '--keys', 'short']).talk).toContain('rkt will refuse the key');
  });

  test('of nothing says what to do', () => {
    mkdirSync(join(folder, 'keys'));
    const { status, talk } = key(['show']);
    expect({ status, talk }).toEqual({
      status: 1,
      talk: 'bootdepot: keys has no key: make one with bootdepot key create\n',
    });
  });
});

describe('key export', () => {
  test('writes the certificate, a keyring, or a tree for rkt', async () => {
    await testKeyFolder(folder);
    const armored = inKeys(`${OWN}.asc`);
    expect(key(['export']).out).toBe(armored);
    expect(key(['export', '--to', 'my.asc']).out).toBe('my.asc\n');
    expect(readFileSync(join(folder, 'my.asc'), 'utf8')).toBe(armored);
    mkdirSync(join(folder, 'out'));
    expect(key(['export', '--format', 'gpg', '--to', 'out']).out).toBe('out/pubkey.gpg\n');
    expect((readFileSync(join(folder, 'out/pubkey.gpg'))[0] ?? 0) & 0x80).toBe(0x80);
    const tree = ['export', '--format', 'rkt-tree', '--to', 'trustedkeys'];
    expect(key(tree).out).toBe(`trustedkeys/root.d/${OWN.toLowerCase()}\n`);
    const prefixed = `trustedkeys/prefix.d/quay.io/coreos/${OWN.toLowerCase()}`;
    expect(key([...tree, '--prefix', 'quay.io/coreos']).out).toBe(`${prefixed}\n`);
    expect(readFileSync(join(folder, prefixed), 'utf8')).toBe(armored);
  });
});

describe('key import', () => {
  test('takes over a key, and says what it left out', async () => {
    const withSubkey = await (await testSecret()).addSubkey({ type: 'ecc', sign: true });
    writeFileSync(join(folder, 'secret.gpg'), withSubkey.write());
    const { status, out, talk } = key(['import', 'secret.gpg']);
    expect({ status, out }).toMatchObject({ status: 0, out: expect.stringContaining(GROUPED) });
    expect(talk).toContain('1 subkey(s) are left out');
    expect(key(['import', 'secret.gpg'])).toMatchObject({ status: 1 });
    expect(key(['import', 'secret.gpg', '--force'])).toMatchObject({ status: 0 });
  });

  test('of a revoked key, a certificate, a missing file ends with one line', async () => {
    writeFileSync(join(folder, 'revoked.asc'), (await revokedKey()).armor());
    writeFileSync(join(folder, 'public.asc'), (await testSecret()).toPublic().armor());
    for (const name of ['revoked.asc', 'public.asc', 'missing.asc']) {
      const { status, out, talk } = key(['import', name]);
      expect({ status, out }).toEqual({ status: 1, out: '' });
      expect(talk).toMatch(/^bootdepot: [^\n]*\n$/);
    }
  });
});

test('key rotate makes the next key, says what clients need, and keeps the old one', async () => {
  await testKeyFolder(folder);
  const { status, out, talk } = key(['rotate', '--json']);
  const rotated = JSON.parse(out);
  expect({ status, talk }).toMatchObject({ status: 0 });
  expect(rotated).toMatchObject({
    userIds: ['Test key, trust it for nothing <nobody@example.invalid>'],
    previous: { fingerprint: OWN },
    retiredPath: `keys/retired-${OWN}.asc`,
  });
  expect(rotated.fingerprint).not.toBe(OWN);
  const again = key(['rotate', ...WHO]);
  expect(again.talk).toContain('bootdepot sign');
  expect(again.talk).toContain(`keys/retired-${rotated.fingerprint}.asc`);
  expect(again.talk).toMatch(/GET \/keys\/[0-9A-F]{40}\.asc/);
  expect(again.talk).toMatch(/trustedkeys\/root\.d\/[0-9a-f]{40}/);
  expect(key(['show']).out.match(/^also trusted/gm)).toHaveLength(2);
});

test('every command has help with an example', () => {
  for (const command of [[], ['create'], ['show'], ['export'], ['import'], ['rotate']]) {
    const { status, out } = key([...command, '--help']);
    expect({ status, out }).toMatchObject({
      status: 0,
      out: expect.stringMatching(/\nExamples?:\n {2}(?:bootdepot|gpg)/),
    });
  }
});

describeWith(['script'], 'at a terminal', () => {
  /** Runs the command at a terminal of its own, where someone answers each question. */
  async function answered(args: readonly string[], answers: readonly string[]) {
    const command = [process.execPath, BOOTDEPOT, 'key', ...args].map((word) => `'${word}'`).join(' ');
    const { PATH } = process.env;
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder, env: { PATH } });
    const left = [...answers];
    let [screen, answeredTo] = ['', 0];
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
      if (!stripVTControlCharacters(screen.slice(answeredTo)).endsWith(': ')) return;
      answeredTo = screen.length;
      terminal.stdin.write(left.shift() ?? '\x03');
    });
    const limit = setTimeout(() => terminal.kill(), 60_000);
    await once(terminal, 'close');
    clearTimeout(limit);
    return { status: terminal.exitCode, screen };
  }

  test('a passphrase is typed twice and not shown', async () => {
    const { status, screen } = await answered(['create', ...WHO], ['correct horse\r', 'correct horse\r']);
    expect({ status, screen }).toMatchObject({ status: 0 });
    expect(screen).toContain('Passphrase for the new key');
    expect(screen).toContain('The same again');
    expect(screen).not.toContain('correct');
    expect(key(['show']).out).toContain('locked with a passphrase');
  });

  test('two different ones make no key; none at all makes an open one', async () => {
    expect(await answered(['create', ...WHO], ['one\r', 'two\r'])).toMatchObject({
      status: 2,
      screen: expect.stringContaining('the two passphrases differ'),
    });
    expect(await answered(['create', ...WHO], ['\r'])).toMatchObject({ status: 0 });
    expect(key(['show']).out).toContain('not locked');
  });

  test.each([
    ['Ctrl-C', '\x03'],
    ['Ctrl-D', '\x04'],
  ])('%s at the question ends the command with 130, and nothing is done', async (_name, stroke) => {
    expect(await answered(['create', ...WHO], [stroke])).toMatchObject({
      status: 130,
      screen: expect.stringContaining('bootdepot: interrupted: nothing was done'),
    });
    expect(readdirSync(join(folder, 'keys'))).toEqual([]);
  });

  test('the passphrase of a locked key is asked for', async () => {
    const locked = await encryptKey({ privateKey: await testSecret(), passphrase: 'correct horse' });
    writeFileSync(join(folder, 'locked.asc'), locked.armor());
    expect(await answered(['import', 'locked.asc'], ['wrong\r'])).toMatchObject({ status: 1 });
    expect(await answered(['import', 'locked.asc'], ['correct horse\r'])).toMatchObject({ status: 0 });
  });
});
