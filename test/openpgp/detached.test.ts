import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { createMessage, readSignature, verify } from 'openpgp';
import { armorSignature, type SigningKey, signHashed } from '../../server/index.js';
import { hasFullInteger } from '../../server/openpgp/rkt-rules.js';
import { parseDetachedSignature } from '../../server/openpgp/verify.js';
import { loadTestKey } from '../fixtures/test-key.js';

const TEXT = 'bootdepot\n';
const NOW = new Date('2024-01-01T00:00:00Z');
/** Seconds at which the first try of the test key over that text comes out one byte short. */
const SHORT_AT = { sha256: new Date('2024-01-01T00:01:53Z'), sha512: new Date('2024-01-01T00:00:03Z') };

let key: SigningKey;
beforeAll(async () => {
  key = await loadTestKey();
});

const signText = (hashName: 'sha256' | 'sha512', now = NOW, text = TEXT) =>
  signHashed(key, createHash(hashName).update(text), hashName, now);

describe.each(['sha256', 'sha512'] as const)('a signature with %s', (hashName) => {
  test('verifies with another implementation that reads the file itself', async () => {
    const { signatures } = await verify({
      message: await createMessage({ binary: Buffer.from(TEXT) }),
      signature: await readSignature({ binarySignature: await signText(hashName) }),
      verificationKeys: key.certificate.key,
    });
    expect(signatures).toHaveLength(1);
    await expect(signatures[0]?.verified).resolves.toBe(true);
  });

  test('is one version 4 packet over binary data that names its key twice and nothing critical', async () => {
    const { packets } = await readSignature({ binarySignature: await signText(hashName) });
    const [packet] = packets;
    expect(packets).toHaveLength(1);
    expect(packet).toMatchObject({ version: 4, signatureType: 0, publicKeyAlgorithm: 1, created: NOW });
    expect(packet?.hashAlgorithm).toBe(hashName === 'sha256' ? 8 : 10);
    expect(packet?.issuerKeyID.toHex().toUpperCase()).toBe(key.fingerprint.slice(-16));
    expect(
      Buffer.from(packet?.issuerFingerprint ?? [])
        .toString('hex')
        .toUpperCase(),
    ).toBe(key.fingerprint);
    expect(packet?.unhashedSubpackets.map(({ type, critical }) => ({ type, critical }))).toEqual([
      { type: 16, critical: false },
    ]);
    expect(packet?.rawNotations).toEqual([]);
  });

  test('whose integer comes out short is made again, at the same time, until it is full', async () => {
    const bytes = await signText(hashName, SHORT_AT[hashName]);
    const { packet } = await parseDetachedSignature(bytes);
    expect(packet.created).toEqual(SHORT_AT[hashName]);
    expect(packet.rawNotations.map(({ name, critical }) => [name, critical])).toEqual([
      ['salt@notations.openpgpjs.org', false],
    ]);
    expect(hasFullInteger(packet, key.certificate.key.keyPacket.publicParams)).toBe(true);
    const plain = await signText(hashName);
    expect(bytes.length).toBe(plain.length + 2 + 8 + 'salt@notations.openpgpjs.org'.length + 1);
  });
});

test('the same key, file and second give the same signature', async () => {
  expect(await signText('sha512')).toEqual(await signText('sha512'));
});

test('the hash is not used up: it signs again, and goes on eating', async () => {
  const hash = createHash('sha256').update('boot');
  await signHashed(key, hash, 'sha256', NOW);
  hash.update('depot\n');
  expect(await signHashed(key, hash, 'sha256', NOW)).toEqual(await signText('sha256'));
  expect(hash.digest('hex')).toBe(createHash('sha256').update(TEXT).digest('hex'));
});

test('the text form is one block with its checksum line before the end, and short lines', async () => {
  const packet = await signText('sha512');
  const lines = (await armorSignature(packet)).split('\n');
  expect(lines[0]).toBe('-----BEGIN PGP SIGNATURE-----');
  expect(lines[1]).toBe('');
  expect(lines.at(-3)).toMatch(/^=[A-Za-z0-9+/]{4}$/);
  expect(lines.slice(-2)).toEqual(['-----END PGP SIGNATURE-----', '']);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(76);
  const { packet: again } = await parseDetachedSignature(Buffer.from(lines.join('\n')));
  expect(Buffer.from(again.write())).toEqual(Buffer.from(packet.subarray(3)));
});

test('a signature that does not verify with the certificate is never given out', async () => {
  const foreign = { ...key, certificate: { ...key.certificate, revoked: true } };
  const signing = signHashed(foreign, createHash('sha512').update(TEXT), 'sha512', NOW);
  await expect(signing).rejects.toMatchObject({ code: 'KEY_UNUSABLE' });
});

test('of 1,000 signatures none has a short integer', async () => {
  const { publicParams } = key.certificate.key.keyPacket;
  let again = 0;
  for (let index = 0; index < 1_000; index += 1) {
    const bytes = await signText(index % 2 === 0 ? 'sha256' : 'sha512', NOW, `file ${index}`);
    const { packet } = await parseDetachedSignature(bytes);
    if (!hasFullInteger(packet, publicParams)) throw new Error(`signature ${index} is short`);
    again += packet.rawNotations.length;
  }
  expect(again).toBeLessThan(50);
}, 120_000);
