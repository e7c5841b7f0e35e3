/** gpg and gpgv take our keys and signatures, and we take theirs. Numbers are those of the checklist for rkt. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  armorSignature,
  createSigningKey,
  type HashName,
  importSigningKey,
  loadSigningKey,
  parseDetachedSignature,
  parseUserId,
  readKeyring,
  type SigningKey,
  signHashed,
  verifyHashed,
} from '../../server/index.js';
import { loadTestKey } from '../fixtures/test-key.js';
import { type GpgHome, gpgHome, inHome } from './gpg-home.js';
import { describeWith } from './programs.js';

const TEXT = 'bootdepot\n';
const nobody = async () => undefined;

/** Writes the file, its two signature forms and the certificate in its two forms, and gives their paths. */
async function signedFile(home: GpgHome, key: SigningKey, hashName: HashName, now = new Date()) {
  const packet = await signHashed(key, createHash(hashName).update(TEXT), hashName, now);
  const paths = {
    file: inHome(home, 'file'),
    asc: inHome(home, 'file.asc'),
    sig: inHome(home, 'file.sig'),
    gpg: inHome(home, 'pubkey.gpg'),
    key: inHome(home, 'pubkey.asc'),
  };
  writeFileSync(paths.file, TEXT);
  writeFileSync(paths.asc, await armorSignature(packet));
  writeFileSync(paths.sig, packet);
  writeFileSync(paths.gpg, key.certificate.binary);
  writeFileSync(paths.key, key.certificate.armored);
  return paths;
}

describeWith(['gpg', 'gpgv'], 'gpg on our side of the table', () => {
  let home: GpgHome;
  let key: SigningKey;
  let locked: string;

  beforeAll(async () => {
    home = gpgHome();
    locked = inHome(home, 'locked');
    const userId = parseUserId('Rack 7, südlich', 'ops@example.com');
    const expires = new Date(Date.now() + 86_400_000 * 365);
    const request = { userId, passphrase: async () => 'correct horse', expires };
    await createSigningKey(locked, request, { force: false, now: new Date() });
    key = await loadSigningKey(locked, async () => 'correct horse');
  }, 60_000);
  afterAll(() => home.remove());

  const packetsOf = (bytes: string | Uint8Array) => home.mustGpg(['--list-packets'], bytes).toString();

  test('36-39: the certificate is one v4 RSA-4096 key, one user id with a full self-signature, no subkey', () => {
    const shown = home.mustGpg(['--show-keys', '--with-colons'], key.certificate.armored).toString();
    expect(shown.match(/^(?:pub|sub|uid|sec|ssb)/gm)).toEqual(['pub', 'uid']);
    expect(shown).toMatch(/^pub:[^:]*:4096:1:/m);
    expect(shown).toContain('Rack 7, südlich <ops@example.com>');
    const packets = packetsOf(key.certificate.armored);
    expect(packets.match(/^:.* packet/gm)).toEqual([
      ':public key packet',
      expect.stringContaining(':user ID packet'),
      ':signature packet',
    ]);
    expect(packets).toMatch(/^\tversion 4, algo 1, /m);
    expect(packets).toMatch(/sigclass 0x13\n\tdigest algo 10/);
    expect(packets).toMatch(/critical hashed subpkt 27 len 1 \(key flags: 03\)/);
    expect(fullLength(packets)).toBe(true);
    expect(key.certificate.armored.match(/BEGIN PGP/g)).toHaveLength(1);
  });

  test.each(['sha256', 'sha512'] as const)(
    '35, 40-45: a %s signature is good for gpg and gpgv, in both forms, and bad for other bytes',
    async (hashName) => {
      const paths = await signedFile(home, key, hashName);
      home.mustGpg(['--import', paths.key]);
      for (const signature of [paths.asc, paths.sig]) {
        expect(home.mustGpg(['--verify', signature, paths.file])).toBeDefined();
        const { status, talk } = home.gpgv(paths.gpg, signature, paths.file);
        expect(status).toBe(0);
        expect(talk).toContain(`VALIDSIG ${key.fingerprint} `);
      }
      const packets = packetsOf(readFileSync(paths.asc));
      expect(packets.match(/^:/gm)).toHaveLength(1);
      expect(packets).toMatch(/^:signature packet: algo 1, keyid ([0-9A-F]{16})$/m);
      expect(packets).toContain(`keyid ${key.fingerprint.slice(-16)}`);
      expect(packets).toMatch(/^\tversion 4, created \d+, md5len 0, sigclass 0x00$/m);
      expect(packets).toMatch(new RegExp(`^\\tdigest algo ${hashName === 'sha256' ? 8 : 10},`, 'm'));
      expect(packets).not.toContain('critical');
      expect(fullLength(packets)).toBe(true);
      writeFileSync(paths.file, 'Bootdepot\n');
      const changed = home.gpgv(paths.gpg, paths.sig, paths.file);
      expect([changed.status, changed.talk]).toEqual([1, expect.stringContaining('BADSIG')]);
    },
  );

  test('43: a signature that was made again, because the first was short, is good and full', async () => {
    const testKey = await loadTestKey();
    const paths = await signedFile(home, testKey, 'sha512', new Date('2024-01-01T00:00:03Z'));
    const packets = packetsOf(readFileSync(paths.asc));
    expect(packets).toContain('notation: salt@notations.openpgpjs.org');
    expect(fullLength(packets)).toBe(true);
    const { status, talk } = home.gpgv(paths.gpg, paths.sig, paths.file);
    expect([status, talk]).toEqual([
      0,
      expect.stringContaining(`VALIDSIG ${testKey.fingerprint} 2024-01-01`),
    ]);
  });

  test('gpg itself sees the difference of one byte that rkt minds', () => {
    const short = readFileSync('test/fixtures/short-certification.asc');
    expect(fullLength(packetsOf(short))).toBe(false);
  });

  test('a keyring of two generations vouches for signatures of both', async () => {
    const testKey = await loadTestKey();
    const ring = inHome(home, 'both.gpg');
    writeFileSync(ring, Buffer.concat([key.certificate.binary, testKey.certificate.binary]));
    for (const signer of [key, testKey]) {
      const { sig, file } = await signedFile(home, signer, 'sha512');
      expect(home.gpgv(ring, sig, file).status).toBe(0);
    }
  });

  test('gpg takes over our locked secret and signs with it, and that is good for us', async () => {
    const passphrase = ['--passphrase', 'correct horse'];
    home.mustGpg([...passphrase, '--import', `${locked}/signing-key.asc`]);
    const args = [...passphrase, '--local-user', key.fingerprint, '--detach-sign', '--output', '-'];
    const signature = await parseDetachedSignature(home.mustGpg(args, TEXT));
    const hash = createHash(signature.hashName).update(TEXT);
    expect(await verifyHashed(signature, hash, [key.certificate], new Date())).toMatchObject({
      state: 'good',
    });
  });
});

/** Whether the last RSA integer of a listing has as many bytes as a modulus of 4096 bits. */
function fullLength(packets: string): boolean {
  const bits = [...packets.matchAll(/^\tdata: \[(\d+) bits\]$/gm)].map(([, count]) => Number(count));
  return bits.length > 0 && bits.every((count) => Math.ceil(count / 8) === 512);
}

describeWith(['gpg', 'gpgv'], 'keys that gpg made', () => {
  let home: GpgHome;
  let count = 0;
  beforeAll(() => {
    home = gpgHome();
  });
  afterAll(() => home.remove());

  /** Imports what gpg exports into a new folder. */
  async function importExported(args: readonly string[], passphrase?: string) {
    count += 1;
    const file = inHome(home, `secret-${count}`);
    const dir = inHome(home, `keys-${count}`);
    writeFileSync(file, home.mustGpg(args));
    mkdirSync(dir);
    const ask = async () => passphrase;
    const options = { force: false, now: new Date(), passphrase: ask };
    return { dir, ask, ...(await importSigningKey(dir, file, options)) };
  }

  async function isGoodForGpgv(key: SigningKey): Promise<void> {
    const { sig, file, gpg } = await signedFile(home, key, 'sha512');
    expect(home.gpgv(gpg, sig, file)).toMatchObject({
      status: 0,
      talk: expect.stringContaining(`VALIDSIG ${key.fingerprint} `),
    });
  }

  test('import open, armored or binary, and sign', async () => {
    const fingerprint = home.makeKey('open', 'rsa4096', 'sign,cert');
    for (const armor of [['--armor'], []]) {
      const { dir, warnings, certificate } = await importExported([
        ...armor,
        '--export-secret-keys',
        fingerprint,
      ]);
      expect(certificate.fingerprint).toBe(fingerprint);
      expect(warnings).toEqual([]);
      await isGoodForGpgv(await loadSigningKey(dir, nobody));
    }
  }, 120_000);

  test('import locked, stay locked, and sign with the passphrase', async () => {
    const made = home.gpg([
      ...['--passphrase', 'päss phrase'],
      ...['--quick-gen-key', 'locked <locked@example.com>', 'rsa2048', 'sign,cert', 'never'],
    ]);
    expect(made.status).toBe(0);
    const args = ['--passphrase', 'päss phrase', '--export-secret-keys', 'locked@example.com'];
    const { dir, ask } = await importExported(args, 'päss phrase');
    await expect(loadSigningKey(dir, nobody)).rejects.toMatchObject({ code: 'PASSPHRASE_WRONG' });
    await isGoodForGpgv(await loadSigningKey(dir, ask));
    await expect(importExported(args, 'wrong')).rejects.toMatchObject({ code: 'PASSPHRASE_WRONG' });
  }, 60_000);

  test('lose the encryption subkey that gpg adds by default, and the modern ones that rkt refuses', async () => {
    const fingerprint = home.makeKey('subkeys', 'rsa2048', 'sign,cert');
    home.mustGpg(['--quick-add-key', fingerprint, 'rsa2048', 'encr']);
    home.mustGpg(['--quick-add-key', fingerprint, 'cv25519', 'encr']);
    home.mustGpg(['--quick-add-key', fingerprint, 'ed25519', 'sign']);
    const { dir, warnings } = await importExported(['--export-secret-keys', fingerprint]);
    expect(warnings).toEqual([expect.stringContaining('3 subkey(s) are left out')]);
    const key = await loadSigningKey(dir, nobody);
    const shown = home.mustGpg(['--show-keys', '--with-colons'], key.certificate.armored).toString();
    expect(shown.match(/^(?:pub|sub|uid)/gm)).toEqual(['pub', 'uid']);
    await isGoodForGpgv(key);
  }, 60_000);

  test('keep several user ids', async () => {
    const fingerprint = home.makeKey('several', 'rsa2048', 'sign,cert');
    home.mustGpg(['--quick-add-uid', fingerprint, 'Another <another@example.com>']);
    const { certificate } = await importExported(['--export-secret-keys', fingerprint]);
    expect([...certificate.userIds].sort()).toEqual([
      'Another <another@example.com>',
      'several <several@example.com>',
    ]);
  }, 60_000);

  test.each([
    ['ed25519', 'sign,cert', '--export-secret-keys', 'need RSA'],
    ['nistp256', 'sign,cert', '--export-secret-keys', 'need RSA'],
    [
      'rsa2048',
      'cert',
      '--export-secret-keys',
      'its primary key may not sign, and rkt takes no signatures of a subkey',
    ],
    ['rsa2048', 'sign,cert', '--export-secret-subkeys', 'lacks the secret of the primary key'],
    ['rsa1024', 'sign,cert', '--export-secret-keys', 'it is RSA 1024, too short'],
  ])(
    'are refused with the reason: %s, %s, %s',
    async (algorithm, usage, way, reason) => {
      const fingerprint = home.makeKey(`refused${count}`, algorithm, usage);
      home.mustGpg(['--quick-add-key', fingerprint, 'rsa2048', 'sign']);
      await expect(importExported([way, fingerprint])).rejects.toMatchObject({
        code: 'KEY_UNUSABLE',
        message: expect.stringContaining(reason),
      });
    },
    60_000,
  );
});

describeWith(['gpg'], 'signatures that gpg made', () => {
  let home: GpgHome;
  beforeAll(() => {
    home = gpgHome();
  });
  afterAll(() => home.remove());

  const sign = (fingerprint: string, ...args: string[]) =>
    home.mustGpg([...args, '--local-user', fingerprint, '--detach-sign', '--output', '-'], TEXT);

  async function judge(signature: Uint8Array, text = TEXT, now = new Date()) {
    const ring = inHome(home, 'ring.gpg');
    writeFileSync(ring, home.mustGpg(['--export']));
    const parsed = await parseDetachedSignature(signature);
    return verifyHashed(parsed, createHash(parsed.hashName).update(text), await readKeyring(ring), now);
  }

  test.each(['rsa2048', 'rsa3072', 'ed25519', 'nistp256', 'nistp384', 'nistp521', 'dsa2048'])(
    'verify when the key is %s, and fail over other bytes',
    async (algorithm) => {
      const fingerprint = home.makeKey(algorithm, algorithm, 'sign,cert');
      for (const form of [['--armor'], []]) {
        const signature = sign(fingerprint, ...form);
        expect(await judge(signature)).toMatchObject({ state: 'good', certificate: { fingerprint } });
        expect(await judge(signature, 'Bootdepot\n')).toMatchObject({ state: 'bad' });
      }
    },
    60_000,
  );

  test.each(['SHA224', 'SHA256', 'SHA384', 'SHA512'])(
    'verify with %s',
    async (digest) => {
      const signature = sign(home.makeKey(digest, 'rsa2048', 'sign,cert'), '--digest-algo', digest);
      expect((await judge(signature)).state).toBe('good');
    },
    60_000,
  );

  test('verify when a signing subkey made them, as gpg prefers', async () => {
    const fingerprint = home.makeKey('subkey', 'rsa2048', 'cert');
    home.mustGpg(['--quick-add-key', fingerprint, 'rsa2048', 'sign']);
    home.mustGpg(['--quick-add-key', fingerprint, 'ed25519', 'sign']);
    const signature = sign(fingerprint);
    expect((await parseDetachedSignature(signature)).issuerFingerprint).not.toBe(fingerprint);
    expect(await judge(signature)).toMatchObject({ state: 'good', certificate: { fingerprint } });
  }, 60_000);

  test('verify by a key whose life was prolonged after they were made', async () => {
    const fingerprint = home.makeKey('prolonged', 'rsa2048', 'sign,cert', '1d');
    const signature = sign(fingerprint);
    const later = new Date(Date.now() + 10 * 86_400_000);
    expect((await judge(signature, TEXT, later)).state).toBe('expired-key');
    home.mustGpg(['--quick-set-expire', fingerprint, '1y']);
    expect((await judge(signature, TEXT, later)).state).toBe('good');
  }, 60_000);

  test('count for nothing once the key is revoked', async () => {
    const fingerprint = home.makeKey('revoked', 'rsa2048', 'sign,cert');
    const signature = sign(fingerprint);
    expect((await judge(signature)).state).toBe('good');
    // gpg puts a colon before the certificate it keeps, so that nobody imports it unawares.
    const prepared = readFileSync(inHome(home, `openpgp-revocs.d/${fingerprint}.rev`), 'utf8');
    home.mustGpg(['--import'], prepared.replace(/^:/m, ''));
    expect((await judge(signature)).state).toBe('revoked-key');
  }, 60_000);

  describe('are refused', () => {
    const refused = { code: 'SIGNATURE_INVALID' };

    test('with SHA-1, and over text', async () => {
      const fingerprint = home.makeKey('refused', 'rsa2048', 'sign,cert');
      const sha1 = sign(fingerprint, '--digest-algo', 'SHA1', '--allow-weak-digest-algos');
      await expect(judge(sha1)).rejects.toMatchObject(refused);
      await expect(judge(sign(fingerprint, '--textmode'))).rejects.toMatchObject(refused);
      const inline = home.mustGpg(['--local-user', fingerprint, '--sign', '--output', '-'], TEXT);
      await expect(judge(inline)).rejects.toMatchObject(refused);
      const clear = home.mustGpg(['--local-user', fingerprint, '--clear-sign', '--output', '-'], TEXT);
      await expect(judge(clear)).rejects.toMatchObject(refused);
    }, 60_000);
  });
});
