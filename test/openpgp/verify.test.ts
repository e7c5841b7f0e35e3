import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createCleartextMessage, createMessage, enums, generateKey, type PrivateKey, sign } from 'openpgp';
import {
  armorSignature,
  DepotError,
  parseDetachedSignature,
  signHashed,
  verifyHashed,
} from '../../server/index.js';
import { type Certificate, certificateOf } from '../../server/openpgp/certificate.js';
import { expiringKey, revokedKey, testSecret } from '../fixtures/other-certificates.js';
import { loadTestKey } from '../fixtures/test-key.js';

const TEXT = 'bootdepot\n';
const NOW = new Date('2024-01-01T00:00:00Z');
const YEAR_S = 365 * 24 * 60 * 60;

let secret: PrivateKey;
let certificate: Certificate;
let good: Uint8Array;

beforeAll(async () => {
  secret = await testSecret();
  certificate = (await loadTestKey()).certificate;
  good = await detached(secret);
});

async function detached(
  signingKeys: PrivateKey | PrivateKey[],
  date = NOW,
  text = false,
): Promise<Uint8Array> {
  const message = text
    ? await createMessage({ text: TEXT, date })
    : await createMessage({ binary: Buffer.from(TEXT), date });
  const signature = await sign({ message, signingKeys, detached: true, date, format: 'object' });
  const bytes: unknown = signature.write();
  if (bytes instanceof Uint8Array) return bytes;
  throw new Error('a stream');
}

async function judge(bytes: Uint8Array, keyring: Certificate[] = [certificate], text = TEXT, now = NOW) {
  const signature = await parseDetachedSignature(bytes);
  return verifyHashed(signature, createHash(signature.hashName).update(text), keyring, now);
}

describe('a signature is', () => {
  test('good over these bytes, with the certificate that made it', async () => {
    expect(await judge(good)).toMatchObject({ state: 'good', certificate });
  });

  test('bad when one byte of the file changed', async () => {
    expect(await judge(good, [certificate], 'bootdepoT\n')).toMatchObject({ state: 'bad', certificate });
  });

  test('by an unknown key where the keyring does not have it', async () => {
    const verdict = await judge(good, []);
    expect(verdict).toMatchObject({ state: 'unknown-key' });
    expect(verdict.reason).toContain(certificate.fingerprint);
  });

  test('by an expired key, whenever it was made', async () => {
    const expired = await certificateOf(await expiringKey(YEAR_S));
    const early = await detached(secret, new Date('2015-06-01T00:00:00Z'));
    expect(expired.expires).toEqual(new Date('2016-01-01T00:00:00Z'));
    expect((await judge(early, [expired])).state).toBe('expired-key');
    expect((await judge(early, [expired], TEXT, new Date('2015-07-01T00:00:00Z'))).state).toBe('good');
  });

  test('by a revoked key, whenever it was made', async () => {
    const revoked = await certificateOf(await revokedKey());
    expect(revoked.revoked).toBe(true);
    expect((await judge(good, [revoked])).state).toBe('revoked-key');
  });

  test('bad when it comes from the future, beyond what clocks differ', async () => {
    expect((await judge(good, [certificate], TEXT, new Date('2023-12-31T23:00:00Z'))).state).toBe('bad');
    expect((await judge(good, [certificate], TEXT, new Date('2023-12-31T23:59:00Z'))).state).toBe('good');
  });

  test('bad when it is older than its key', async () => {
    const early = new Date('2014-12-31T23:59:59Z');
    const signing = signHashed(await loadTestKey(), createHash('sha512').update(TEXT), 'sha512', early);
    await expect(signing).rejects.toThrow('is older than the key that made it');
  });

  test('good when it stands in armor with text around it, and only the first counts', async () => {
    const other = await detached(secret, new Date('2024-01-01T00:00:01Z'));
    const text = `hello\r\n${await armorSignature(good)}\n${await armorSignature(other)}bye\n`;
    expect((await judge(Buffer.from(text))).state).toBe('good');
    expect((await judge(Buffer.concat([good, other]))).state).toBe('good');
  });
});

test.each(['ed25519Legacy', 'nistP256', 'nistP384', 'nistP521'] as const)(
  'signatures by %s keys verify, by the primary key and by a signing subkey',
  async (curve) => {
    const date = new Date('2020-01-01T00:00:00Z');
    const userIDs = [{ name: 'Vendor', email: 'vendor@example.com' }];
    for (const subkeys of [[], [{ sign: true }]]) {
      const made = await generateKey({ type: 'ecc', curve, userIDs, date, subkeys, format: 'object' });
      const keyring = [certificate, await certificateOf(made.publicKey)];
      const bytes = await detached(made.privateKey);
      expect((await judge(bytes, keyring)).state).toBe('good');
      expect((await judge(bytes, keyring, 'other')).state).toBe('bad');
    }
  },
);

test('a key without a valid self-signature vouches for nothing', async () => {
  const userIDs = [{ name: 'Vendor', email: 'vendor@example.com' }];
  const date = new Date('2020-01-01T00:00:00Z');
  const made = await generateKey({ type: 'ecc', userIDs, date, format: 'object' });
  const bare = await certificateOf(made.publicKey);
  bare.key.users = [];
  expect(await judge(await detached(made.privateKey), [bare])).toMatchObject({
    state: 'bad',
    reason: 'made by a key that may not sign',
  });
});

describe('refused before any hashing is', () => {
  const refused = { code: 'SIGNATURE_INVALID' };

  test('a signature over text', async () => {
    await expect(parseDetachedSignature(await detached(secret, NOW, true))).rejects.toMatchObject(refused);
  });

  test('a cleartext message, a certificate, an HTML page, nothing', async () => {
    const message = await createCleartextMessage({ text: TEXT });
    const cleartext = await sign({ message, signingKeys: secret, date: NOW });
    for (const text of [cleartext, certificate.armored, '<!DOCTYPE html>', '']) {
      await expect(parseDetachedSignature(Buffer.from(text))).rejects.toMatchObject(refused);
    }
    await expect(parseDetachedSignature(certificate.binary)).rejects.toMatchObject(refused);
  });

  test('a broken hash', async () => {
    const sha1 = Uint8Array.from(good);
    sha1[3 + 3] = enums.hash.sha1;
    await expect(parseDetachedSignature(sha1)).rejects.toMatchObject(refused);
  });
});

test('whatever byte is changed, a signature is refused or not good', async () => {
  // Header, six fixed bytes, hashed part; then the unhashed part, which only helps to find the key.
  const unhashedAt = 3 + 6 + (((good[7] ?? 0) << 8) | (good[8] ?? 0));
  const unhashedEnd = unhashedAt + 2 + (((good[unhashedAt] ?? 0) << 8) | (good[unhashedAt + 1] ?? 0));
  // Behind two bytes of the hash: the length of the integer in bits, of which only that in bytes says where it ends.
  const bitsAt = unhashedEnd + 2;
  const lengthAt = (bytes: Uint8Array) => (((bytes[bitsAt] ?? 0) << 8) + (bytes[bitsAt + 1] ?? 0) + 7) >> 3;
  const place = fc.nat({ max: good.length - 1 }).filter((at) => at < unhashedAt || at >= unhashedEnd);
  const property = fc.asyncProperty(place, fc.integer({ min: 1, max: 255 }), async (at, flip) => {
    const bytes = Uint8Array.from(good);
    bytes[at] = (bytes[at] ?? 0) ^ flip;
    fc.pre(at !== bitsAt + 1 || lengthAt(bytes) !== lengthAt(good));
    const outcome = await judge(bytes).catch((error: unknown) => error);
    if (outcome instanceof DepotError) expect(outcome.code).toBe('SIGNATURE_INVALID');
    else expect(outcome).not.toMatchObject({ state: 'good' });
  });
  await fc.assert(property, { numRuns: 500 });
});
