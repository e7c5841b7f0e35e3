import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generateKey, type PrivateKey, readKey } from 'openpgp';
import { type Certificate, readKeyring } from '../../server/index.js';
import { bareKey, certificateOf, parseCertificates } from '../../server/openpgp/certificate.js';
import { testSecret } from '../fixtures/other-certificates.js';
import { loadTestKey, TEST_SECRET, testKeyFolder } from '../fixtures/test-key.js';

let dir: string;
let own: Certificate;
let vendorKey: PrivateKey;
let vendor: Certificate;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bootdepot-certificate-'));
  own = (await loadTestKey()).certificate;
  const made = await generateKey({
    type: 'ecc',
    userIDs: [{ name: 'Vendor' }, { email: 'vendor@example.com' }],
    date: new Date('2020-01-01T00:00:00Z'),
    keyExpirationTime: 1_000_000_000,
    subkeys: [{ sign: true }, {}],
    format: 'object',
  });
  vendorKey = made.privateKey;
  vendor = await certificateOf(vendorKey);
});

afterAll(() => rm(dir, { recursive: true }));

const parse = (content: string | Uint8Array) => parseCertificates(Buffer.from(content), 'the file');
const fingerprints = (certificates: readonly Certificate[]) => certificates.map((one) => one.fingerprint);

describe('a certificate', () => {
  test('says what people ask of it', () => {
    expect(own).toMatchObject({
      fingerprint: 'BBC715E9FEE48A3C49CF9987B00642C1B9399657',
      userIds: ['Test key, trust it for nothing <nobody@example.invalid>'],
      created: new Date('2015-01-01T00:00:00Z'),
      expires: undefined,
      revoked: false,
      algorithm: 'RSA 4096',
    });
    expect(vendor).toMatchObject({
      userIds: ['Vendor', '<vendor@example.com>'],
      expires: new Date('2051-09-09T01:46:40Z'),
      algorithm: 'EdDSA ed25519Legacy',
    });
  });

  test('is written as one block with its checksum line, without a secret packet', async () => {
    expect(vendor.armored).toMatch(
      /^-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n[\s\S]*\n=\S{4}\n-----END PGP PUBLIC KEY BLOCK-----\n$/,
    );
    const read = await readKey({ binaryKey: vendor.binary });
    expect(read.isPrivate()).toBe(false);
    expect(Buffer.from((await parse(vendor.armored))[0]?.binary ?? [])).toEqual(Buffer.from(vendor.binary));
  });

  test('laid bare has no subkeys and no certifications by others, and the same fingerprint', async () => {
    const certified = await vendorKey.signAllUsers([await testSecret()]);
    expect(certified.users[0]?.otherCertifications).toHaveLength(1);
    const bare = await bareKey(certified);
    expect(bare.isPrivate()).toBe(true);
    expect(bare.subkeys).toEqual([]);
    expect(bare.users.map((user) => user.otherCertifications)).toEqual([[], []]);
    expect(await certificateOf(bare)).toMatchObject({
      fingerprint: vendor.fingerprint,
      userIds: vendor.userIds,
      expires: vendor.expires,
    });
  });
});

describe('a file of certificates', () => {
  test('may be binary or armored, hold several, and have text around them', async () => {
    const both = [own.fingerprint, vendor.fingerprint];
    expect(fingerprints(await parse(Buffer.concat([own.binary, vendor.binary])))).toEqual(both);
    const text = `Trust these:\r\n${own.armored}and\n${vendor.armored.replaceAll('\n', '\r\n')}`;
    expect(fingerprints(await parse(text))).toEqual(both);
  });

  test('is refused when it holds a secret key, whatever else it holds', async () => {
    const secret = await readFile(TEST_SECRET, 'utf8');
    const refused = { code: 'CERTIFICATE_INVALID', message: expect.stringContaining('secret key') };
    await expect(parse(secret)).rejects.toMatchObject(refused);
    await expect(parse(own.armored + secret)).rejects.toMatchObject(refused);
    await expect(parse(Buffer.concat([own.binary, vendorKey.write()]))).rejects.toMatchObject(refused);
  });

  test('is refused when it holds no certificate, or half of one', async () => {
    const half = own.armored.slice(0, 900);
    for (const content of ['', 'hello', '<!DOCTYPE html>', half, Buffer.from([0x99, 0, 4, 1, 2, 3, 4])]) {
      await expect(parse(content)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
    }
  });
});

describe('a keyring', () => {
  test('is a file of certificates', async () => {
    const file = join(dir, 'ring.gpg');
    await writeFile(file, Buffer.concat([own.binary, vendor.binary]));
    expect(fingerprints(await readKeyring(file))).toEqual([own.fingerprint, vendor.fingerprint]);
  });

  test('is the folder of keys: what it publishes counts, and what it refuses is told', async () => {
    const keys = await testKeyFolder(dir);
    await writeFile(join(keys, `${vendor.fingerprint}.asc`), vendor.armored);
    await writeFile(join(keys, `${'0'.repeat(40)}.asc`), own.armored);
    const told: string[] = [];
    const ring = await readKeyring(keys, (file) => told.push(file));
    expect(fingerprints(ring)).toEqual([own.fingerprint, vendor.fingerprint]);
    expect(told).toEqual([join(keys, `${'0'.repeat(40)}.asc`)]);
  });

  test('that is not there is said, and one that is far too large is not read', async () => {
    await expect(readKeyring(join(dir, 'no.gpg'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const large = join(dir, 'large.gpg');
    await writeFile(large, own.binary);
    await truncate(large, 1024 ** 4);
    await expect(readKeyring(large)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
  });
});
