import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encryptKey, generateKey, type PrivateKey, readKey, readPrivateKey } from 'openpgp';
import {
  type AskPassphrase,
  type Certificate,
  createSigningKey,
  importSigningKey,
  inspectKeys,
  loadSigningKey,
  parseUserId,
  rotateSigningKey,
  signHashed,
} from '../../server/index.js';
import { writeSecret } from '../../server/openpgp/key-folder.js';
import { expiringKey, revokedKey, testSecret } from '../fixtures/other-certificates.js';
import { SHORT_CERTIFICATION, TEST_SECRET, testKeyFolder } from '../fixtures/test-key.js';

const FINGERPRINT = 'BBC715E9FEE48A3C49CF9987B00642C1B9399657';
const request = { userId: parseUserId('Rack 7', 'ops@example.com') };

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'bootdepot-key-store-'));
});
afterEach(() => rm(parent, { recursive: true }));

const nobody: AskPassphrase = async () => undefined;
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const options = { force: false, now: new Date(), passphrase: nobody };

/** Puts a secret key in a file and imports it. */
async function importKey(key: PrivateKey | string, more: Partial<typeof options> = {}) {
  const file = join(parent, 'import.asc');
  await writeFile(file, typeof key === 'string' ? await readFile(key) : key.armor());
  return importSigningKey(join(parent, 'keys'), file, { ...options, ...more });
}

describe('making a key', () => {
  test('leaves a closed secret in a closed folder, and its certificate', async () => {
    const dir = join(parent, 'new', 'keys');
    const { certificate, warnings } = await createSigningKey(dir, request, options);
    expect(warnings).toEqual([]);
    expect((await readdir(dir)).sort()).toEqual([`${certificate.fingerprint}.asc`, 'signing-key.asc'].sort());
    expect(await modeOf(dir)).toBe('700');
    expect(await modeOf(join(dir, 'signing-key.asc'))).toBe('600');
    expect((await loadSigningKey(dir, nobody)).fingerprint).toBe(certificate.fingerprint);
    expect(await readFile(join(dir, `${certificate.fingerprint}.asc`), 'utf8')).toBe(certificate.armored);
  }, 60_000);

  test('is refused before anything is asked where there is one, and with force overwrites it', async () => {
    const dir = await testKeyFolder(parent);
    const asking = { ...request, passphrase: () => Promise.reject(new Error('asked')) };
    await expect(createSigningKey(dir, asking, options)).rejects.toMatchObject({ code: 'KEY_EXISTS' });
    expect(await readFile(join(dir, 'signing-key.asc'))).toEqual(await readFile(TEST_SECRET));
    const { certificate } = await createSigningKey(dir, request, { ...options, force: true });
    expect((await loadSigningKey(dir, nobody)).fingerprint).toBe(certificate.fingerprint);
    expect(await modeOf(join(dir, 'signing-key.asc'))).toBe('600');
  }, 60_000);

  test('by two at once gives one key', async () => {
    const writes = ['one', 'two', 'three'].map((text) => writeSecret(parent, text, false));
    const results = await Promise.allSettled(writes);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'KEY_EXISTS' });
    }
    expect(await readdir(parent)).toEqual(['signing-key.asc']);
  });
});

describe('the folder', () => {
  test('is closed if it holds nothing but keys, and left as it is otherwise', async () => {
    const [own, shared] = [join(parent, 'keys'), join(parent, 'shared')];
    for (const dir of [own, shared]) {
      await mkdir(dir);
      await chmod(dir, 0o775);
      await writeFile(join(dir, 'README.md'), '');
    }
    await writeFile(join(shared, 'payroll.txt'), '');
    const file = TEST_SECRET;
    await expect(importSigningKey(own, file, options)).resolves.toMatchObject({ warnings: [] });
    expect(await modeOf(own)).toBe('700');
    const { warnings } = await importSigningKey(shared, file, options);
    expect(await modeOf(shared)).toBe('775');
    expect(warnings).toEqual([expect.stringContaining('chmod 700')]);
  });

  test('that cannot be made is said', async () => {
    await writeFile(join(parent, 'file'), '');
    const dir = join(parent, 'file', 'keys');
    await expect(createSigningKey(dir, request, options)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('taking over a key', () => {
  test('keeps it as it is: open or locked', async () => {
    const dir = join(parent, 'keys');
    expect((await importKey(TEST_SECRET)).warnings).toEqual([]);
    expect((await inspectKeys(dir)).secret).toBe('open');
    const locked = await encryptKey({ privateKey: await testSecret(), passphrase: 'correct horse' });
    const passphrase = async () => 'correct horse';
    await importKey(locked, { force: true, passphrase });
    expect((await inspectKeys(dir)).secret).toBe('locked');
    const key = await loadSigningKey(dir, passphrase);
    const hash = createHash('sha512').update('x');
    await expect(signHashed(key, hash, 'sha512', new Date())).resolves.toBeInstanceOf(Uint8Array);
  });

  test('leaves out subkeys and says so', async () => {
    const withSubkey = await (await testSecret()).addSubkey({ type: 'ecc', sign: true });
    const { warnings } = await importKey(withSubkey);
    expect(warnings).toEqual([expect.stringContaining('1 subkey(s) are left out')]);
    for (const name of ['signing-key.asc', `${FINGERPRINT}.asc`]) {
      const armoredKey = await readFile(join(parent, 'keys', name), 'utf8');
      expect((await readKey({ armoredKey })).getSubkeys()).toEqual([]);
    }
  });

  test('warns of an expiry to come, and of a self-signature that rkt refuses', async () => {
    const expires = await importKey(await expiringKey(60 * 365 * 24 * 60 * 60));
    expect(expires.warnings).toEqual([expect.stringContaining('the key expires at 2074-')]);
    const short = await importKey(SHORT_CERTIFICATION, { force: true });
    expect(short.warnings).toEqual([expect.stringContaining('short RSA integer')]);
  });

  const refused = (reason: string) => ({ code: 'KEY_UNUSABLE', message: expect.stringContaining(reason) });

  test('is refused with the reason where it cannot sign for rkt', async () => {
    const userIDs = [{ name: 'x' }];
    const date = new Date('2020-01-01T00:00:00Z');
    const ecc = await generateKey({ type: 'ecc', userIDs, date, format: 'object' });
    const six = await generateKey({
      type: 'rsa',
      rsaBits: 2048,
      userIDs,
      date,
      subkeys: [],
      format: 'object',
      config: { v6Keys: true },
    });
    await expect(importKey(ecc.privateKey)).rejects.toMatchObject(refused('EdDSA'));
    await expect(importKey(six.privateKey)).rejects.toMatchObject(refused('version 6'));
    await expect(importKey(await revokedKey())).rejects.toMatchObject(refused('revoked'));
    await expect(importKey(await expiringKey(60))).rejects.toMatchObject(refused('expired'));
    expect(await readdir(join(parent, 'keys'))).toEqual([]);
  }, 60_000);

  test('is refused where the certificate file knows that it is revoked', async () => {
    const dir = join(parent, 'keys');
    await mkdir(dir);
    await writeFile(join(dir, `${FINGERPRINT}.asc`), (await revokedKey()).toPublic().armor());
    await expect(importKey(TEST_SECRET)).rejects.toMatchObject(refused('revoked'));
    expect((await inspectKeys(dir)).current.revoked).toBe(true);
  });

  test('is refused without its passphrase, over another key, and for what is no secret key', async () => {
    const locked = await encryptKey({ privateKey: await testSecret(), passphrase: 'correct horse' });
    await expect(importKey(locked)).rejects.toMatchObject({ code: 'PASSPHRASE_WRONG' });
    const certificate = join(parent, 'certificate.asc');
    await writeFile(certificate, (await testSecret()).toPublic().armor());
    const dir = join(parent, 'keys');
    await expect(importSigningKey(dir, certificate, options)).rejects.toMatchObject(refused('a certificate'));
    await importKey(TEST_SECRET);
    await expect(importKey(TEST_SECRET)).rejects.toMatchObject({ code: 'KEY_EXISTS' });
  });
});

describe('replacing a key', () => {
  test('keeps the old certificate published and the old secret aside, closed', async () => {
    const dir = await testKeyFolder(parent);
    const { previous, certificate, retiredPath } = await rotateSigningKey(dir, () => request, new Date());
    expect(previous.fingerprint).toBe(FINGERPRINT);
    expect(retiredPath).toBe(join(dir, `retired-${FINGERPRINT}.asc`));
    expect(await readFile(retiredPath)).toEqual(await readFile(TEST_SECRET));
    expect(await modeOf(retiredPath)).toBe('600');
    expect((await loadSigningKey(dir, nobody)).fingerprint).toBe(certificate.fingerprint);
    const report = await inspectKeys(dir);
    expect(report.current.fingerprint).toBe(certificate.fingerprint);
    expect(report.others.map(({ fingerprint }) => fingerprint)).toEqual([FINGERPRINT]);
    expect(report.warnings).toEqual([]);
    const retired = await readPrivateKey({ armoredKey: await readFile(retiredPath, 'utf8') });
    expect(retired.getFingerprint().toUpperCase()).toBe(FINGERPRINT);
  }, 60_000);

  test('asks for the new one from the old certificate, and changes nothing if that fails', async () => {
    const dir = await testKeyFolder(parent);
    const before = (await readdir(dir)).sort();
    const describe = ({ userIds }: Certificate) => ({
      ...request,
      passphrase: () => Promise.reject(new Error(userIds.join())),
    });
    const failing = rotateSigningKey(dir, describe, new Date());
    await expect(failing).rejects.toThrow('nobody@example.invalid');
    expect((await readdir(dir)).sort()).toEqual(before);
    expect(await readFile(join(dir, 'signing-key.asc'))).toEqual(await readFile(TEST_SECRET));
  });

  test('needs a key to replace', async () => {
    const rotating = rotateSigningKey(parent, () => request, new Date());
    await expect(rotating).rejects.toMatchObject({ code: 'KEY_MISSING' });
  });
});

test('a folder without any key is said to have none', async () => {
  await expect(inspectKeys(parent)).rejects.toMatchObject({ code: 'KEY_MISSING' });
  await expect(inspectKeys(join(parent, 'no'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
