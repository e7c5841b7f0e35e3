import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { readKey, readPrivateKey, reformatKey } from 'openpgp';
import { generateKey, type NewKey, withFullCertification } from '../../server/openpgp/create-key.js';
import { certificationsAreFull } from '../../server/openpgp/rkt-rules.js';
import { parseUserId } from '../../server/openpgp/user-id.js';
import { SHORT_CERTIFICATION } from '../fixtures/test-key.js';

const NOW = new Date('2024-02-03T04:05:06.789Z');
const userId = parseUserId('Rack 7', 'ops@example.com');
const DAY_MS = 24 * 60 * 60 * 1000;

describe('a new key', () => {
  let made: NewKey;
  beforeAll(async () => {
    const expires = new Date('2026-02-03T00:00:00Z');
    made = await generateKey({ userId, expires, passphrase: async () => 'correct horse' }, NOW);
  }, 60_000);

  test('is RSA-4096, version 4, certifies and signs, has one user id and no subkey', async () => {
    const key = await readKey({ armoredKey: made.certificate.armored });
    expect(made.certificate.algorithm).toBe('RSA 4096');
    expect(key.keyPacket.version).toBe(4);
    expect(key.getSubkeys()).toEqual([]);
    expect(key.getUserIDs()).toEqual(['Rack 7 <ops@example.com>']);
    const [certification] = key.users[0]?.selfCertifications ?? [];
    expect(certification).toMatchObject({ signatureType: 0x13, hashAlgorithm: 10, version: 4 });
    expect([...(certification?.keyFlags ?? [])]).toEqual([0x03]);
    expect(certificationsAreFull(key)).toBe(true);
  });

  test('seems a day old, and ends when it was told to', () => {
    expect(made.certificate.created).toEqual(new Date('2024-02-02T04:05:06Z'));
    expect(made.certificate.expires).toEqual(new Date('2026-02-03T00:00:00Z'));
  });

  test('is locked with its passphrase', async () => {
    const secret = await readPrivateKey({ armoredKey: made.armoredSecret });
    expect(secret.isDecrypted()).toBe(false);
    expect(secret.getFingerprint().toUpperCase()).toBe(made.certificate.fingerprint);
  });
});

describe('a key is refused, before one is made,', () => {
  const at = (ms: number) => new Date(NOW.getTime() + ms);

  test.each([
    ['from the future', { created: at(DAY_MS) }],
    ['from before 1970', { created: new Date('1969-12-31T23:59:59Z') }],
    ['that has expired already', { expires: at(-1) }],
    ['that expires after 2106', { expires: new Date('2150-01-01T00:00:00Z') }],
  ])('%s', async (_name, dates) => {
    await expect(generateKey({ userId, ...dates }, NOW)).rejects.toMatchObject({ code: 'USAGE' });
  });

  test.each([
    ['', 'a@b'],
    ['  ', 'a@b'],
    ['Rack <7>', 'a@b'],
    ['Rack\n7', 'a@b'],
    ['\u001b[31mRack', 'a@b'],
    ['x'.repeat(300), 'a@b'],
    ['Rack 7', ''],
    ['Rack 7', 'ops'],
    ['Rack 7', 'ops@exa mple.com'],
    ['Rack 7', 'ops@example.com> x <y@z'],
  ])('for the name %j with the address %j', (name, email) => {
    expect(() => parseUserId(name, email)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('a self-signature with a short integer', () => {
  test('is noticed, though it is valid', async () => {
    const key = await readPrivateKey({ armoredKey: await readFile(SHORT_CERTIFICATION, 'utf8') });
    await expect(key.verifyPrimaryKey()).resolves.toBeUndefined();
    expect(certificationsAreFull(key)).toBe(false);
  });

  test('is made again until it is full', async () => {
    const short = await readPrivateKey({ armoredKey: await readFile(SHORT_CERTIFICATION, 'utf8') });
    let again = 0;
    const full = await withFullCertification(short, async (privateKey) => {
      again += 1;
      const options = { privateKey, userIDs: [{ ...userId }], date: privateKey.getCreationTime() };
      return (await reformatKey({ ...options, format: 'object' })).privateKey;
    });
    expect(again).toBeGreaterThanOrEqual(1);
    expect(certificationsAreFull(full)).toBe(true);
    expect(full.getFingerprint()).toBe(short.getFingerprint());
  });

  test('that never becomes full ends the attempt', async () => {
    const short = await readPrivateKey({ armoredKey: await readFile(SHORT_CERTIFICATION, 'utf8') });
    const attempt = withFullCertification(short, async (key) => key);
    await expect(attempt).rejects.toMatchObject({ code: 'KEY_UNUSABLE' });
  });
});
