import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encryptKey, generateKey, type PrivateKey } from 'openpgp';
import { loadSigningKey } from '../../server/index.js';
import { expiringKey, revokedKey, testSecret } from '../fixtures/other-certificates.js';
import { TEST_SECRET, testKeyFolder } from '../fixtures/test-key.js';

const FINGERPRINT = 'BBC715E9FEE48A3C49CF9987B00642C1B9399657';
const NOW = new Date('2024-01-01T00:00:00Z');

let parent: string;
let dir: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'bootdepot-signing-key-'));
  dir = await testKeyFolder(parent);
});
afterEach(() => rm(parent, { recursive: true }));

const nobody = async () => undefined;
const load = (passphrase: () => Promise<string | undefined> = nobody, now = NOW) =>
  loadSigningKey(dir, passphrase, now);
const putSecret = (key: PrivateKey) => writeFile(join(dir, 'signing-key.asc'), key.armor());
const putCertificate = (key: PrivateKey) =>
  writeFile(join(dir, `${key.getFingerprint().toUpperCase()}.asc`), key.toPublic().armor());

describe('the signing key', () => {
  test('is loaded with its certificate, and nobody is asked if it is not locked', async () => {
    const key = await load(() => Promise.reject(new Error('asked')));
    expect(key).toMatchObject({ fingerprint: FINGERPRINT, warnings: [] });
    expect(key.certificate.fingerprint).toBe(FINGERPRINT);
    expect(key.secret).toMatchObject({ type: 'private', asymmetricKeyType: 'rsa' });
  });

  test('cannot be printed by accident', async () => {
    const key = await load();
    const numbers = Buffer.from(key.secret.export({ format: 'jwk' }).d ?? '', 'base64url');
    const printed = inspect(key, { depth: 10, showHidden: true, maxArrayLength: null });
    for (const form of ['hex', 'base64', 'base64url'] as const) {
      expect(printed).not.toContain(numbers.toString(form).slice(8, 40));
    }
    expect(printed).not.toContain([...numbers.subarray(0, 6)].join(', '));
  });

  test('loads without its certificate file', async () => {
    await rm(join(dir, `${FINGERPRINT}.asc`));
    expect((await load()).certificate.fingerprint).toBe(FINGERPRINT);
  });

  test('is missing where there is none, with the command that makes one', async () => {
    await rm(join(dir, 'signing-key.asc'));
    await expect(load()).rejects.toMatchObject({
      code: 'KEY_MISSING',
      message: expect.stringContaining('bootdepot key create'),
    });
  });

  test('opens with its passphrase only', async () => {
    await putSecret(await encryptKey({ privateKey: await testSecret(), passphrase: 'correct horse' }));
    expect((await load(async () => 'correct horse')).fingerprint).toBe(FINGERPRINT);
    for (const passphrase of ['wrong', '', undefined]) {
      await expect(load(async () => passphrase)).rejects.toMatchObject({ code: 'PASSPHRASE_WRONG' });
    }
  });

  test.each([
    ['signing-key.asc', '640', 'chmod 600'],
    ['signing-key.asc', '604', 'chmod 600'],
    ['.', '770', 'chmod 700'],
    ['.', '755', 'chmod 700'],
  ])('whose %s is open to others (mode %s) comes with a warning', async (name, mode, advice) => {
    await chmod(join(dir, name), Number.parseInt(mode, 8));
    expect((await load()).warnings).toEqual([expect.stringContaining(advice)]);
  });
});

describe('no signature is made by', () => {
  const refused = (reason: string) => ({
    code: 'KEY_UNUSABLE',
    message: expect.stringContaining(reason),
  });

  test('a key that its certificate file says is revoked', async () => {
    await putCertificate(await revokedKey());
    await expect(load()).rejects.toMatchObject(refused('it is revoked'));
  });

  test('a key that its secret file says is revoked, though the certificate file does not know', async () => {
    await putSecret(await revokedKey());
    await expect(load()).rejects.toMatchObject(refused('it is revoked'));
  });

  test('an expired key, until its certificate says otherwise', async () => {
    const expired = await expiringKey(365 * 24 * 60 * 60);
    await putSecret(expired);
    await putCertificate(expired);
    await expect(load()).rejects.toMatchObject(refused('it expired at 2016-01-01'));
    await putCertificate(await expiringKey(50 * 365 * 24 * 60 * 60));
    expect((await load()).fingerprint).toBe(FINGERPRINT);
  });

  test('a key from the future', async () => {
    await expect(load(nobody, new Date('2014-06-01T00:00:00Z'))).rejects.toMatchObject(
      refused('made in the future'),
    );
  });

  test('a key that is not RSA', async () => {
    const { privateKey } = await generateKey({ type: 'ecc', userIDs: [{ name: 'x' }], format: 'object' });
    await putSecret(privateKey);
    await expect(load(nobody, new Date(Date.now() + 1_000))).rejects.toMatchObject(refused('need RSA'));
  });

  test('a certificate, a file of two keys, or something else in its place', async () => {
    const secret = await readFile(TEST_SECRET);
    const certificate = await readFile(join(dir, `${FINGERPRINT}.asc`));
    for (const content of [
      certificate,
      Buffer.concat([secret, secret]),
      Buffer.from('hello'),
      Buffer.alloc(0),
    ]) {
      await writeFile(join(dir, 'signing-key.asc'), content);
      await expect(load()).rejects.toMatchObject({ code: 'KEY_UNUSABLE' });
    }
  });
});
