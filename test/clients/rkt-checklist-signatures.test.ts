/**
 * What rkt 1.30.0 asks of signatures and keys, by number: 33, and 35 to 47. Keys and signatures are made by the
 * commands, fetched from a running depot as rkt does it, and looked at by gpg.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { signHashed } from '../../server/index.js';
import { buildAci } from '../fixtures/aci.js';
import { ask } from '../fixtures/assets-server.js';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { fetchAsRkt } from '../fixtures/rkt-client.js';
import { type RunningDepot, startDepot } from '../fixtures/running-depot.js';
import { loadTestKey } from '../fixtures/test-key.js';
import { type GpgHome, gpgHome, inHome } from './gpg-home.js';
import { describeWith } from './programs.js';

const ACI = 'coreos-hyperkube:v1.3.6_coreos.0.aci';
const IMAGE = { name: 'quay.io/coreos/hyperkube', version: 'v1.3.6_coreos.0', files: { hyperkube: 'x' } };
/** Bits of an RSA integer that has as many bytes as a modulus of 4096 bits. */
const FULL_BITS = 4089;
/** Types of subpackets that rkt's library knows; any other that is critical spoils what it is in. */
const KNOWN_SUBPACKETS = [2, 3, 9, 11, 16, 21, 22, 25, 27, 29];

/** A depot with a key, an image and its signature, all made by the commands. */
interface SignedDepot {
  readonly folder: string;
  readonly fingerprint: string;
  readonly depot: RunningDepot;
  remove(): Promise<void>;
}

/** @param makeKey - makes the signing key in the folder, with `bootdepot key …` */
async function signedDepot(makeKey: (folder: string) => void): Promise<SignedDepot> {
  const folder = mkdtempSync(join(tmpdir(), 'bootdepot-rkt-'));
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'assets', ACI), await buildAci(IMAGE));
  makeKey(folder);
  mustBootdepot(folder, ['sign']);
  const { fingerprint } = JSON.parse(mustBootdepot(folder, ['key', 'show', '--json']));
  const depot = await startDepot(['--assets', join(folder, 'assets'), '--keys', join(folder, 'keys')]);
  return {
    folder,
    fingerprint,
    depot,
    async remove() {
      await depot.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** One GET as `rkt trust` sends it. */
async function getKey({ depot }: SignedDepot, name: string) {
  const headers = { 'User-Agent': 'Go-http-client/1.1', 'Accept-Encoding': 'gzip' };
  return await ask(depot.port, `/keys/${name}`, { headers });
}

/** Bits of the RSA integers of all signatures in a listing by gpg. */
function integerBits(packets: string): number[] {
  return [...packets.matchAll(/^\tdata: \[(\d+) bits\]$/gm)].map(([, bits]) => Number(bits));
}

describeWith(['gpg', 'gpgv'], 'signer and keys', () => {
  let home: GpgHome;
  let signed: SignedDepot;
  /** What a client has: all of it came over HTTP. */
  let image: string;
  let signature: string;
  let certificate: string;

  beforeAll(async () => {
    home = gpgHome();
    signed = await signedDepot((folder) => {
      mustBootdepot(folder, ['key', 'create', '--name', 'Rack 7', '--email', 'ops@example.com']);
    });
    [image, signature, certificate] = [
      inHome(home, ACI),
      inHome(home, `${ACI}.asc`),
      inHome(home, 'pubkey.asc'),
    ];
    const fetched = await fetchAsRkt(signed.depot.port, `/assets/${ACI}`);
    if (fetched.kind !== 'fetched') throw new Error(JSON.stringify(fetched));
    writeFileSync(image, fetched.image);
    writeFileSync(signature, fetched.signature);
    writeFileSync(certificate, (await getKey(signed, 'pubkey.asc')).body);
    home.mustGpg(['--import', certificate]);
  }, 120_000);

  afterAll(async () => {
    home.remove();
    await signed?.remove();
  });

  const packetsOf = (bytes: string | Uint8Array): string =>
    home.mustGpg(['--list-packets'], bytes).toString();
  const shownKey = (): string => home.mustGpg(['--show-keys', '--with-colons', certificate]).toString();

  test('33. the key URL is 200 for anyone, armored, and (23.) has no Content-Encoding', async () => {
    for (const name of ['pubkey.asc', `${signed.fingerprint}.asc`]) {
      const { status, headers, body } = await getKey(signed, name);
      expect([status, headers['content-encoding'], headers['content-length']]).toEqual([
        200,
        undefined,
        String(body.length),
      ]);
      expect(body.toString()).toMatch(/^-----BEGIN PGP PUBLIC KEY BLOCK-----\n/);
    }
  });

  test('35. gpg and gpgv verify U.asc with only the published key, and refuse one changed byte', async () => {
    expect(home.mustGpg(['--list-keys', '--with-colons']).toString().match(/^pub:/gm)).toHaveLength(1);
    const keyring = inHome(home, 'pubkey.gpg');
    writeFileSync(keyring, (await getKey(signed, 'pubkey.gpg')).body);
    const changed = readFileSync(image);
    changed[100] = (changed[100] ?? 0) ^ 1;
    const other = inHome(home, 'changed.aci');
    writeFileSync(other, changed);
    const verifiers = [
      (file: string) => home.gpg(['--verify', signature, file]),
      (file: string) => home.gpgv(keyring, signature, file),
    ];
    for (const verify of verifiers) {
      expect(verify(image)).toMatchObject({
        status: 0,
        talk: expect.stringContaining(`VALIDSIG ${signed.fingerprint} `),
      });
      expect(verify(other)).toMatchObject({ status: 1, talk: expect.stringContaining('BADSIG') });
    }
  });

  test('36. the primary key is RSA-4096 of version 4', () => {
    expect(shownKey()).toMatch(/^pub:[^:]*:4096:1:/m);
    expect(packetsOf(readFileSync(certificate))).toMatch(/^:public key packet:\n\tversion 4, algo 1, /m);
  });

  test('37. it has no subkey', () => {
    expect(shownKey()).not.toMatch(/^(?:sub|ssb):/m);
  });

  test('38. each file has one key in one armored block, and no file has a secret', async () => {
    const tree = join(signed.folder, 'trustedkeys');
    mustBootdepot(signed.folder, ['key', 'export', '--format', 'rkt-tree', '--to', 'trustedkeys']);
    const files = [
      (await getKey(signed, 'pubkey.asc')).body.toString(),
      (await getKey(signed, `${signed.fingerprint}.asc`)).body.toString(),
      mustBootdepot(signed.folder, ['key', 'export']),
      ...readdirSync(join(tree, 'root.d')).map((name) => readFileSync(join(tree, 'root.d', name), 'utf8')),
    ];
    expect(files).toHaveLength(4);
    for (const file of files) {
      expect(file.match(/^-----.*-----$/gm)).toEqual([
        '-----BEGIN PGP PUBLIC KEY BLOCK-----',
        '-----END PGP PUBLIC KEY BLOCK-----',
      ]);
      expect(packetsOf(file).match(/^:.*key packet/gm)).toEqual([':public key packet']);
    }
    const { body } = await getKey(signed, 'pubkey.gpg');
    expect(packetsOf(body).match(/^:.*key packet/gm)).toEqual([':public key packet']);
    expect((await getKey(signed, 'signing-key.asc')).status).toBe(404);
  });

  test('39. it has a user id with a self-signature of full length', () => {
    const packets = packetsOf(readFileSync(certificate));
    expect(packets.match(/^:[^:]* packet/gm)).toEqual([
      ':public key packet',
      ':user ID packet',
      ':signature packet',
    ]);
    expect(packets).toMatch(/sigclass 0x13\n/);
    expect(packets).toMatch(/subpkt 27 len 1 \(key flags: 03\)/);
    expect(integerBits(packets)).toEqual([expect.any(Number)]);
    expect(Math.min(...integerBits(packets))).toBeGreaterThanOrEqual(FULL_BITS);
  });

  test.each([
    ['sha512', 10],
    ['sha256', 8],
  ])('40. a signature with %s is one packet: version 4, class 0x00, RSA', (hash, digest) => {
    mustBootdepot(signed.folder, ['sign', '--force', '--hash', hash]);
    const packets = packetsOf(readFileSync(join(signed.folder, 'assets', `${ACI}.asc`)));
    expect(packets.match(/^:/gm)).toHaveLength(1);
    expect(packets).toMatch(/^:signature packet: algo 1, /m);
    expect(packets).toMatch(/^\tversion 4, created \d+, md5len 0, sigclass 0x00$/m);
    expect(packets).toMatch(new RegExp(`^\\tdigest algo ${digest},`, 'm'));
  });

  test('41. the issuer is the primary key', () => {
    expect(packetsOf(readFileSync(signature))).toContain(`keyid ${signed.fingerprint.slice(-16)}\n`);
    expect(packetsOf(readFileSync(certificate))).toContain(`keyid: ${signed.fingerprint.slice(-16)}\n`);
  });

  test('42. no critical subpacket is unknown to rkt, and those it needs are there', () => {
    for (const file of [signature, certificate]) {
      const packets = packetsOf(readFileSync(file));
      const critical = [...packets.matchAll(/critical (?:hashed )?subpkt (\d+)/g)].map(([, type]) =>
        Number(type),
      );
      expect(KNOWN_SUBPACKETS).toEqual(expect.arrayContaining(critical));
      expect(packets).toMatch(/hashed subpkt 2 len 4 /);
      expect(packets).toMatch(/subpkt 16 len 8 /);
    }
  });

  test('43. of 2,000 signatures every integer has full length, as gpg counts it', async () => {
    const key = await loadTestKey();
    const signatures: Uint8Array[] = [];
    for (let number = 0; number < 2000; number += 1) {
      const hash = createHash('sha512').update(String(number));
      signatures.push(await signHashed(key, hash, 'sha512', new Date('2024-01-01T00:00:00Z')));
    }
    const packets = packetsOf(Buffer.concat(signatures));
    const bits = integerBits(packets);
    expect(bits).toHaveLength(2000);
    expect(bits.filter((count) => count < FULL_BITS)).toEqual([]);
    // Some came out short at first, or nothing was proven.
    expect(packets.match(/notation: salt@notations\.openpgpjs\.org/g)?.length).toBeGreaterThan(0);
  }, 240_000);

  test('44. the checksum line is right and directly before END, lines have 76 characters at most', () => {
    for (const file of [signature, certificate]) {
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(76);
      const [blank, end] = [lines.indexOf(''), lines.length - 1];
      expect(lines[end]).toMatch(/^-----END PGP /);
      const data = Buffer.from(lines.slice(blank + 1, end - 1).join(''), 'base64');
      expect(lines[end - 1]).toBe(`=${crc24(data).toString('base64')}`);
      expect(lines.slice(1, blank).filter((line) => !/^[A-Za-z]+: /.test(line))).toEqual([]);
    }
  });

  test('45. a file has one signature, also after it was signed again', () => {
    for (let round = 0; round < 2; round += 1) {
      const text = readFileSync(join(signed.folder, 'assets', `${ACI}.asc`), 'utf8');
      expect(text.match(/^-----.*-----$/gm)).toEqual([
        '-----BEGIN PGP SIGNATURE-----',
        '-----END PGP SIGNATURE-----',
      ]);
      expect(packetsOf(text).match(/^:signature packet/gm)).toHaveLength(1);
      mustBootdepot(signed.folder, ['sign', '--force']);
    }
  });

  test("46. the fingerprint is 40 lower-case digits in rkt's tree, and in groups as rkt shows it for review", () => {
    const byGpg = /^fpr:+([0-9A-F]{40}):$/m.exec(shownKey())?.[1] ?? '';
    expect(byGpg).toBe(signed.fingerprint);
    const tree = ['key', 'export', '--format', 'rkt-tree', '--to', 'trustedkeys'];
    expect(mustBootdepot(signed.folder, tree)).toBe(`trustedkeys/root.d/${byGpg.toLowerCase()}\n`);
    expect(readdirSync(join(signed.folder, 'trustedkeys'))).toEqual(['root.d']);
    expect(readdirSync(join(signed.folder, 'trustedkeys/root.d'))).toEqual([byGpg.toLowerCase()]);
    const groups = [byGpg.slice(0, 20), byGpg.slice(20)].map((half) => half.match(/.{4}/g)?.join(' '));
    expect(mustBootdepot(signed.folder, ['key', 'show'])).toContain(groups.join('  '));
  });
});

/** RFC 9580, section 6.1.1. */
function crc24(data: Uint8Array): Buffer {
  let crc = 0xb704ce;
  for (const byte of data) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc << 1) ^ ((crc & 0x800000) === 0 ? 0 : 0x1864cfb);
  }
  return Buffer.from([crc >> 16, crc >> 8, crc]);
}

describeWith(['gpg', 'gpgv'], 'a key that its owner made and revokes with gpg', () => {
  let home: GpgHome;
  let signed: SignedDepot;

  beforeAll(async () => {
    home = gpgHome();
    const fingerprint = home.makeKey('rack', 'rsa4096', 'sign,cert');
    writeFileSync(inHome(home, 'secret.asc'), home.mustGpg(['--armor', '--export-secret-keys', fingerprint]));
    signed = await signedDepot((folder) => {
      mustBootdepot(folder, ['key', 'import', inHome(home, 'secret.asc')]);
    });
  }, 120_000);

  afterAll(async () => {
    home.remove();
    await signed?.remove();
  });

  const asset = (name: string): string => join(signed.folder, 'assets', name);
  const gpgvWith = async (name: string) => {
    const keyring = inHome(home, name.replace(/\.asc$/, '.gpg'));
    writeFileSync(keyring, home.mustGpg(['--dearmor'], (await getKey(signed, name)).body));
    return home.gpgv(keyring, asset(`${ACI}.asc`), asset(ACI));
  };

  /** As gpg's manual has it: the certificate that was made with the key, its colon taken away. */
  function revoke(): void {
    const made = readFileSync(inHome(home, `openpgp-revocs.d/${signed.fingerprint}.rev`), 'utf8');
    home.mustGpg(['--import'], made.replace(/^:-----BEGIN/m, '-----BEGIN'));
    const revoked = home.mustGpg(['--armor', '--export', signed.fingerprint]);
    writeFileSync(join(signed.folder, 'keys', `${signed.fingerprint}.asc`), revoked);
  }

  test('47. a revoked key never signs, and rotation signs everything again', async () => {
    expect(await gpgvWith('pubkey.asc')).toMatchObject({ status: 0 });
    const before = readFileSync(asset(`${ACI}.asc`), 'utf8');

    revoke();
    copyFileSync(asset(ACI), asset('new.aci'));
    for (const args of [[], ['--force'], [`assets/${ACI}`, '--force']]) {
      const refused = bootdepot(signed.folder, ['sign', ...args]);
      expect(refused).toMatchObject({
        status: 1,
        talk: expect.stringMatching(/^bootdepot: .*it is revoked\n$/),
      });
    }
    expect(readFileSync(asset(`${ACI}.asc`), 'utf8')).toBe(before);
    expect(readdirSync(join(signed.folder, 'assets')).sort()).toEqual([ACI, `${ACI}.asc`, 'new.aci']);
    expect(bootdepot(signed.folder, ['verify'])).toMatchObject({
      status: 1,
      out: expect.stringContaining('revoked-key'),
    });
    writeFileSync(
      inHome(home, 'again.asc'),
      home.mustGpg(['--armor', '--export-secret-keys', signed.fingerprint]),
    );
    expect(bootdepot(signed.folder, ['key', 'import', inHome(home, 'again.asc'), '--force'])).toMatchObject({
      status: 1,
      talk: expect.stringContaining('revoked'),
    });

    const rotated = JSON.parse(mustBootdepot(signed.folder, ['key', 'rotate', '--json']));
    expect(mustBootdepot(signed.folder, ['sign'])).toMatch(
      /^2 files: 1 re-signed, 1 signed$|^2 files: 1 signed, 1 re-signed$/m,
    );
    expect(mustBootdepot(signed.folder, ['verify'])).toMatch(/^2 files: 2 good$/m);
    expect(await gpgvWith('pubkey.asc')).toMatchObject({
      status: 0,
      talk: expect.stringContaining(`VALIDSIG ${rotated.fingerprint} `),
    });
    expect((await gpgvWith(`${signed.fingerprint}.asc`)).talk).toContain('NO_PUBKEY');
    mustBootdepot(signed.folder, ['key', 'export', '--format', 'rkt-tree', '--to', 'trustedkeys']);
    expect(readdirSync(join(signed.folder, 'trustedkeys/root.d'))).toEqual([
      rotated.fingerprint.toLowerCase(),
    ]);
  }, 120_000);
});
