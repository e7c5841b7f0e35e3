/** A real image: built by tar, pushed by skopeo, and the same tree however it reaches the conversion. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readAciTree } from '../fixtures/aci-tree.js';
import { type LiveDepot, startLiveDepot } from '../fixtures/live-depot.js';
import { writeLayout } from '../fixtures/oci-layout.js';
import { describeWith } from './programs.js';

let folder: string;
let depot: LiveDepot;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-real-'));
  depot = await startLiveDepot();
});
afterEach(async () => {
  await depot.remove();
  rmSync(folder, { recursive: true, force: true });
});

const at = (...path: string[]): string => join(folder, ...path);
/** Ends with an error where the program does; the depot in this process goes on answering meanwhile. */
async function run(program: string, ...args: string[]): Promise<string> {
  const { PATH } = process.env;
  const env = { PATH, TMPDIR: folder, HOME: folder };
  return (await promisify(execFile)(program, args, { cwd: folder, env })).stdout;
}

/**
 * Makes the layers of an image by changing a folder, as a build does.
 *
 * @returns both; the folder `source` holds what the image is to be
 */
async function buildLayers(): Promise<Buffer[]> {
  const file = (name: string, content: string): void => writeFileSync(at('source', name), content);
  for (const name of ['bin', 'etc/old', 'usr/lib']) mkdirSync(at('source', name), { recursive: true });
  file('bin/tool', 'tool '.repeat(50_000));
  linkSync(at('source/bin/tool'), at('source/bin/same-tool'));
  symlinkSync('../bin/tool', at('source/usr/link'));
  file('etc/gone', 'removed above');
  file('etc/changed', 'before');
  file('etc/old/one', 'hidden above');
  file(`usr/lib/${'long-'.repeat(30)}é`, 'a name for which ustar has no room');
  await run('tar', '-C', 'source', '--format=gnu', '-czf', 'base.tar.gz', '.');

  rmSync(at('source/etc/gone'));
  rmSync(at('source/etc/old/one'));
  file('etc/changed', 'after');
  file('etc/old/two', 'new');
  for (const name of ['etc/.wh.gone', 'etc/old/.wh..wh..opq']) file(name, '');
  const changed = ['etc/.wh.gone', 'etc/changed', 'etc/old'];
  await run('tar', '-C', 'source', '--format=pax', '-czf', 'top.tar.gz', ...changed);
  for (const name of ['etc/.wh.gone', 'etc/old/.wh..wh..opq']) rmSync(at('source', name));
  return ['base.tar.gz', 'top.tar.gz'].map((name) => readFileSync(at(name)));
}

function layoutOf(layers: readonly Buffer[]): string {
  const ids = layers.map((layer) => createHash('sha256').update(gunzipSync(layer)).digest('hex'));
  const config = {
    config: { Cmd: ['/bin/tool'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: ids.map((id) => `sha256:${id}`) },
  };
  const descriptor = { annotations: { 'org.opencontainers.image.ref.name': 'v1' } };
  return `oci:${writeLayout(at('built'), { layers, config, descriptor })}:v1`;
}

describeWith(['skopeo', 'tar', 'diff'], 'an image that tar built and skopeo pushed', () => {
  test('has the same tree by tag, by digest, from a layout, an oci-archive and a docker-archive', async () => {
    const remote = `docker://127.0.0.1:${depot.port}/team/app`;
    const copy = ['copy', '--insecure-policy', '--src-tls-verify=false', '--dest-tls-verify=false'];
    const built = layoutOf(await buildLayers());
    await run('skopeo', ...copy, '--digestfile', at('digest'), built, `${remote}:v1`);
    const copies = ['oci:copied:v1', 'oci-archive:oci.tar:v1', 'docker-archive:docker.tar:team/saved:v1'];
    for (const target of copies) await run('skopeo', ...copy, `${remote}:v1`, target);

    const images = [`${remote}:v1`, `${remote}@${readFileSync(at('digest'), 'utf8').trim()}`, ...copies];
    await run(process.execPath, resolve('dist/scripts/bootdepot.js'), 'convert', '--no-sign', ...images);
    const names = readdirSync(at('assets')).sort();
    expect(names).toEqual([
      'copied:v1.aci',
      'oci:v1.aci',
      'team-app.aci',
      'team-app:v1.aci',
      'team-saved:v1.aci',
    ]);
    const [first, ...others] = names.map((name) => readAciTree(at('assets', name)).files);
    expect(first?.get('etc/changed')).toMatchObject({ type: 'file' });
    for (const other of others) expect(other).toEqual(first);

    for (const name of names) {
      mkdirSync(at('unpacked'));
      await run('tar', '-C', 'unpacked', '--force-local', '-xzf', `assets/${name}`);
      rmSync(at('unpacked/rootfs/dev'), { recursive: true });
      await run('diff', '-r', '--no-dereference', 'source', 'unpacked/rootfs');
      rmSync(at('unpacked'), { recursive: true });
    }
  });
});
