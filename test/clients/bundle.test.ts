/** Bundles without bootdepot: skopeo reads the images, tar lists, sha256sum and gpg check, curl brings one to a depot. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openBundleSink } from '../../server/bundle/bundle-file.js';
import { trustCertificate } from '../../server/index.js';
import { BundleDepot } from '../fixtures/bundle-depot.js';
import { startLiveDepot } from '../fixtures/live-depot.js';
import { readTar } from '../fixtures/read-tar.js';
import { digestOf, imageOf, RegistryClient } from '../fixtures/registry-client.js';
import { loadTestKey } from '../fixtures/test-key.js';
import { type GpgHome, gpgHome } from './gpg-home.js';
import { describeWith } from './programs.js';

const IMAGES = {
  'coreos/etcd:v3': imageOf(['etcd layer']),
  'hyperkube:v1.3.6_coreos.0': imageOf(['a', 'b']),
};

let from: BundleDepot;
let bundle: string;
beforeAll(async () => {
  from = await (await BundleDepot.make()).withKey();
  for (const [name, image] of Object.entries(IMAGES)) {
    const colon = name.indexOf(':');
    await from.push(name.slice(0, colon), name.slice(colon + 1), image);
  }
  from.asset('flatcar/vmlinuz', 'a kernel');
  from.asset('odd \\ name\n.img', 'never served, so never carried');
  from.asset('coreos-etcd:v3.aci', 'an image');
  bundle = join(from.folder, 'site.tar');
  await from.bundle({ sink: await openBundleSink(bundle) });
});
afterAll(() => from.remove());

function must(program: string, args: readonly string[], cwd = from.folder): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
  return stdout;
}

describeWith(['skopeo'], 'skopeo', () => {
  test.each(Object.entries(IMAGES))('reads %s from the bundle by its name', (name, image) => {
    const dir = join(from.folder, `copy-${image.digest.slice(7)}`);
    must('skopeo', [
      '--insecure-policy',
      'copy',
      '--preserve-digests',
      `oci-archive:${bundle}:${name}`,
      `dir:${dir}`,
    ]);
    expect(digestOf(readFileSync(join(dir, 'manifest.json')))).toBe(image.digest);
    for (const blob of image.blobs)
      expect(readFileSync(join(dir, digestOf(blob).slice(7))).equals(blob)).toBe(true);
  });
});

describeWith(['tar', 'gpg', 'sha256sum', 'grep'], 'tar, gpg and sha256sum', () => {
  let home: GpgHome;
  beforeAll(() => {
    home = gpgHome();
  });
  afterAll(() => home.remove());

  test('list it, and check all of it', async () => {
    const names = readTar(readFileSync(bundle)).entries.map(({ entry }) => entry.name);
    expect(must('tar', ['tf', bundle]).trim().split('\n')).toEqual(names);
    const out = join(from.folder, 'extracted');
    mkdirSync(out);
    must('tar', ['xf', bundle, '-C', out]);
    home.mustGpg(['--import'], (await loadTestKey()).certificate.armored);
    home.mustGpg(['--verify', join(out, 'bundle.json.asc'), join(out, 'bundle.json')]);
    const sum = must('sha256sum', ['SHA256SUMS'], out).slice(0, 64);
    must('grep', ['-q', `"SHA256SUMS",.*sha256:${sum}`, 'bundle.json'], out);
    const checked = must('sha256sum', ['-c', 'SHA256SUMS'], out).trim().split('\n');
    expect(checked).toHaveLength(names.length - 3);
    expect(checked.every((line) => line.endsWith(': OK'))).toBe(true);
  });
});

describeWith(['curl'], 'curl', () => {
  test('brings it to a running depot', async () => {
    const depot = await startLiveDepot();
    await trustCertificate(join(depot.folder, 'keys'), (await loadTestKey()).certificate);
    const args = ['-sS', '--fail-with-body', '-T', bundle, `${depot.urls[0]}/bundles/`];
    const { stdout } = await promisify(execFile)('curl', args);
    expect(JSON.parse(stdout).images).toHaveLength(2);
    const client = new RegistryClient(depot.urls[0] ?? '');
    expect((await client.get('hyperkube/manifests/v1.3.6_coreos.0')).status).toBe(200);
    await depot.remove();
  });
});
