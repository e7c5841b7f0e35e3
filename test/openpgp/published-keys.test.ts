import { appendFile, copyFile, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generateKey, type Key } from 'openpgp';
import { type Publication, publishedKeys } from '../../server/index.js';
import { expiringKey, revokedKey, testSecret } from '../fixtures/other-certificates.js';
import { TEST_SECRET, testKeyFolder } from '../fixtures/test-key.js';

const OWN = 'BBC715E9FEE48A3C49CF9987B00642C1B9399657';

let parent: string;
let dir: string;
let refused: [string, string][];
let look: () => Promise<Publication>;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'bootdepot-published-'));
  dir = await testKeyFolder(parent);
  refused = [];
  look = publishedKeys(dir, (file, reason) => refused.push([file, reason]));
});
afterEach(() => rm(parent, { recursive: true }));

const fileOf = (key: Key) => join(dir, `${key.getFingerprint().toUpperCase()}.asc`);
const publish = (key: Key) => writeFile(fileOf(key), key.toPublic().armor());

/** Publishes another certificate that was made in the given year. */
async function publishAnother(year: number, seconds = 0): Promise<string> {
  const { privateKey } = await generateKey({
    type: 'ecc',
    userIDs: [{ name: 'Another' }],
    date: new Date(Date.UTC(year, 0)),
    keyExpirationTime: seconds,
    format: 'object',
  });
  await publish(privateKey);
  return privateKey.getFingerprint().toUpperCase();
}

async function fingerprints(): Promise<string[]> {
  return (await look()).keys.map(({ certificate }) => certificate.fingerprint);
}

describe('the current certificate is', () => {
  test('that of the signing key, however old it is; the others follow from new to old', async () => {
    const [older, newer] = [await publishAnother(2018), await publishAnother(2022)];
    expect(await fingerprints()).toEqual([OWN, newer, older]);
  });

  test('that of the signing key, though its file is missing', async () => {
    await rm(join(dir, `${OWN}.asc`));
    const other = await publishAnother(2022);
    expect(await fingerprints()).toEqual([OWN, other]);
  });

  test('without a signing key, the newest that is neither revoked nor expired', async () => {
    await rm(join(dir, 'signing-key.asc'));
    const expired = await publishAnother(2022, 60);
    const good = await publishAnother(2020);
    expect(await fingerprints()).toEqual([good, expired, OWN]);
    await publish(await revokedKey());
    await rm(join(dir, `${good}.asc`));
    await rm(join(dir, `${expired}.asc`));
    expect(await fingerprints()).toEqual([OWN]);
  });

  test('nothing in an empty folder', async () => {
    await rm(dir, { recursive: true });
    await mkdir(dir);
    expect(await look()).toMatchObject({ current: undefined, keys: [] });
  });
});

describe('changes are seen at once:', () => {
  test('a certificate that comes, is replaced, and goes', async () => {
    expect((await look()).current?.certificate.expires).toBeUndefined();
    await publish(await expiringKey(60 * 365 * 24 * 60 * 60));
    expect((await look()).current?.certificate.expires?.getUTCFullYear()).toBe(2074);
    const other = await publishAnother(2020);
    expect(await fingerprints()).toEqual([OWN, other]);
    await rm(join(dir, `${other}.asc`));
    expect(await fingerprints()).toEqual([OWN]);
  });

  test('one that did not change is not parsed again', async () => {
    const first = (await look()).current?.certificate;
    expect((await look()).current?.certificate).toBe(first);
    const [one, two] = await Promise.all([look(), look()]);
    expect(one.current?.certificate).toBe(two.current?.certificate);
    await utimes(join(dir, `${OWN}.asc`), 1, 1);
    expect((await look()).current).toMatchObject({ modifiedMs: 1_000, certificate: { fingerprint: OWN } });
  });
});

describe('refused, and told once for each version, is', () => {
  test('a secret key under the name of a certificate', async () => {
    await copyFile(TEST_SECRET, join(dir, `${OWN}.asc`));
    expect((await look()).keys.map(({ certificate }) => certificate.armored)).toEqual([
      expect.not.stringContaining('PRIVATE'),
    ]);
    await look();
    expect(refused).toEqual([[join(dir, `${OWN}.asc`), expect.stringContaining('secret key')]]);
    await appendFile(join(dir, `${OWN}.asc`), '\n');
    await look();
    expect(refused).toHaveLength(2);
  });

  test('a secret key under any other name', async () => {
    await copyFile(TEST_SECRET, join(dir, 'backup.asc'));
    await writeFile(join(dir, 'backup.gpg'), (await testSecret()).write());
    expect(await fingerprints()).toEqual([OWN]);
    expect(refused.map(([file]) => file).sort()).toEqual([join(dir, 'backup.asc'), join(dir, 'backup.gpg')]);
  });

  test('a certificate under the fingerprint of another, two in a file, half of one', async () => {
    const other = await publishAnother(2020);
    const certificate = (await testSecret()).toPublic().armor();
    await writeFile(join(dir, `${other}.asc`), certificate);
    await writeFile(join(dir, `${'A'.repeat(40)}.asc`), certificate + certificate);
    await writeFile(join(dir, `${'B'.repeat(40)}.asc`), certificate.slice(0, 500));
    await mkdir(join(dir, `${'C'.repeat(40)}.asc`));
    expect(await fingerprints()).toEqual([OWN]);
    expect(refused).toHaveLength(3);
  });

  test('not a retired secret, a README, or a certificate of someone else', async () => {
    await copyFile(TEST_SECRET, join(dir, `retired-${OWN}.asc`));
    await writeFile(join(dir, 'README.md'), 'hello');
    await writeFile(join(dir, 'vendor.asc'), (await testSecret()).toPublic().armor());
    expect(await fingerprints()).toEqual([OWN]);
    expect(refused).toEqual([]);
  });
});

test('a folder that is not there is said', async () => {
  await expect(publishedKeys(join(parent, 'no'))()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
