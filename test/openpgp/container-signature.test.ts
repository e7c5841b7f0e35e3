import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMessage, sign } from 'openpgp';
import type { SigningKey } from '../../server/index.js';
import { parseDigest } from '../../server/oci/digest.js';
import {
  parseContainerSignature,
  signContainer,
  verifyContainerSignature,
} from '../../server/openpgp/container-signature.js';
import { readSecret } from '../../server/openpgp/signing-key.js';
import { type GpgHome, gpgHome } from '../clients/gpg-home.js';
import { describeWith } from '../clients/programs.js';
import { loadTestKey, TEST_SECRET } from '../fixtures/test-key.js';

const CLAIM = {
  digest: parseDigest(`sha256:${'ab'.repeat(32)}`),
  identity: 'registry.example.com:5000/hyperkube:v1.3.6_coreos.0',
};
const NOW = new Date('2024-05-06T07:08:09Z');

let key: SigningKey;
beforeAll(async () => {
  key = await loadTestKey();
});

const signed = (hashName: 'sha256' | 'sha512' = 'sha512') =>
  signContainer(CLAIM, { key, hashName, now: NOW });

/** What others would have signed. */
async function foreign(payload: unknown): Promise<Uint8Array> {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const message = await createMessage({ binary: Buffer.from(text) });
  const secret = await readSecret(TEST_SECRET.replace('/signing-key.asc', ''));
  const bytes = await sign({ message, signingKeys: secret, format: 'binary' });
  return bytes instanceof Uint8Array ? bytes : Buffer.from(String(bytes));
}

const payloadOf = (more: { critical?: object; optional?: unknown } = {}) => ({
  critical: {
    type: 'atomic container signature',
    image: { 'docker-manifest-digest': CLAIM.digest },
    identity: { 'docker-reference': CLAIM.identity },
    ...more.critical,
  },
  optional: 'optional' in more ? more.optional : {},
});

describe('a signature of a container image', () => {
  test('begins as clients want it and comes back as it was made', async () => {
    const bytes = await signed();
    expect(bytes[0]).toBe(0xc4);
    const read = await parseContainerSignature(bytes);
    expect(read).toMatchObject(CLAIM);
    expect(JSON.parse(Buffer.from(read.content).toString()).optional).toEqual({
      creator: 'bootdepot',
      timestamp: NOW.getTime() / 1000,
    });
    expect((await verifyContainerSignature(read, [key.certificate], NOW)).state).toBe('good');
    expect((await verifyContainerSignature(read, [], NOW)).state).toBe('unknown-key');
  });

  test('is bad when a byte of its text has changed', async () => {
    const bytes = Buffer.from(await signed('sha256'));
    bytes.write('v1.3.7', bytes.indexOf('v1.3.6'));
    const read = await parseContainerSignature(bytes);
    expect((await verifyContainerSignature(read, [key.certificate], NOW)).state).toBe('bad');
  });

  test('counts when it was made by another program', async () => {
    const read = await parseContainerSignature(await foreign(payloadOf({ optional: { any: ['thing'] } })));
    expect(read).toMatchObject(CLAIM);
    expect((await verifyContainerSignature(read, [key.certificate], new Date())).state).toBe('good');
  });

  test.each([
    ['another member in critical', payloadOf({ critical: { foo: 1 } })],
    ['another type', payloadOf({ critical: { type: 'cosign container image signature' } })],
    ['no digest', payloadOf({ critical: { image: {} } })],
    ['no identity', payloadOf({ critical: { identity: { 'docker-reference': '' } } })],
    ['nothing optional', payloadOf({ optional: undefined })],
    ['a part of a second', payloadOf({ optional: { timestamp: 1.5 } })],
    ['no JSON', 'hello'],
  ])('is refused with %s', async (_what, payload) => {
    await expect(parseContainerSignature(await foreign(payload))).rejects.toMatchObject({
      code: 'SIGNATURE_INVALID',
    });
  });

  test('is refused armored, detached, cut, as a page, and empty', async () => {
    const bytes = await signed();
    const detached = bytes.subarray(bytes.lastIndexOf(0x89, bytes.length - 500));
    const others = ['-----BEGIN PGP MESSAGE-----\n', '<html>', ''].map((text) => Buffer.from(text));
    for (const each of [...others, detached, bytes.subarray(0, 200), bytes.subarray(0, -1)]) {
      await expect(parseContainerSignature(each)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
    }
  });
});

describeWith(['gpg'], 'gpg', () => {
  let home: GpgHome;
  beforeAll(() => {
    home = gpgHome();
    home.mustGpg(['--import', TEST_SECRET]);
  });
  afterAll(() => home.remove());

  test.each(['sha256', 'sha512'] as const)('takes our message with %s', async (hashName) => {
    const out = home.mustGpg(['--decrypt'], await signed(hashName));
    expect(JSON.parse(out.toString())).toMatchObject(payloadOf({ optional: { creator: 'bootdepot' } }));
  });

  test('makes messages that we take, compressed as they are', async () => {
    const bytes = home.mustGpg(['--sign'], JSON.stringify(payloadOf()));
    const read = await parseContainerSignature(bytes);
    expect((await verifyContainerSignature(read, [key.certificate], new Date())).state).toBe('good');
  });
});
