/** Archives that other programs made. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { describeWith } from '../clients/programs.js';
import { readTar } from '../fixtures/read-tar.js';

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

test('archives of tar-stream, another implementation, are read as they were meant', async () => {
  const name = fc.stringMatching(/^[a-zü0-9]{1,60}(\/[a-zü0-9]{1,60}){0,6}$/);
  const member = fc.record({
    name,
    content: fc.string({ maxLength: 2000 }),
    mode: fc.integer({ min: 1, max: 0o7777 }),
    uid: fc.integer({ min: 1, max: 0o777777 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(member, { maxLength: 8 }), async (members) => {
      const stream = pack();
      for (const { content, ...header } of members) stream.entry(header, content);
      stream.finalize();
      const { entries } = readTar(await buffer(stream));
      expect(entries.map(({ entry, data }) => [entry.name, data, entry.mode, entry.uid])).toEqual(
        members.map((one) => [latin1(one.name), latin1(one.content), one.mode, one.uid]),
      );
    }),
    { numRuns: 50 },
  );
});

describeWith(['tar'], "GNU tar's archives", () => {
  test.each(['v7', 'oldgnu', 'gnu', 'ustar', 'pax'])(
    'in the form %s hold what the folder holds',
    (format) => {
      const folder = mkdtempSync(join(tmpdir(), 'bootdepot-tar-'));
      try {
        execFileSync('sh', ['-c', MAKE_TREE], { cwd: folder });
        const args = [
          '-c',
          '-f',
          'all.tar',
          `--format=${format}`,
          '--sort=name',
          '--mtime=@1234567890',
          '-C',
          'tree',
          '.',
        ];
        execFileSync('tar', args, { cwd: folder, stdio: ['ignore', 'ignore', 'ignore'] });
        const listing = execFileSync('tar', ['-t', '-f', 'all.tar', '--quoting-style=literal'], {
          cwd: folder,
        });
        const { entries, reader } = readTar(readFileSync(join(folder, 'all.tar')), 4096);
        expect(entries.map(({ entry }) => entry.name).join('\n')).toBe(listing.toString('latin1').trimEnd());
        expect(entries.every(({ entry }) => entry.mtime === 1_234_567_890)).toBe(true);
        expect(entries.find(({ entry }) => entry.name === './file')?.data).toBe('content\n');
        expect(
          entries.filter(({ entry }) => entry.type === 'symlink').map(({ entry }) => entry.linkName),
        ).toEqual(['file']);
        expect(reader.hasEnded).toBe(true);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

const MAKE_TREE = `mkdir -p tree/dir tree/names && cd tree && echo content > file && ln -s file symlink && ln file hardlink &&
  printf x > "names/ü $(printf '\\377')" && printf x > names/$(printf 'a%.0s' $(seq 80))`;
