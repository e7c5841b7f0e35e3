/** Path resolution against a plain model, and on a real tree with links in and out, devices and fifos. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openRegularFile, parsePath, resolveBelow } from '../../server/disk/safe-path.js';
import { DepotError } from '../../server/errors.js';

const outside = realpathSync(mkdtempSync(join(tmpdir(), 'bootdepot-path-')));
const root = join(outside, 'root');
const INSIDE = ['file', 'a:b', 'folder/file', 'folder/deeper/file', 'folder/..b'];
const socket = createServer();

beforeAll(async () => {
  mkdirSync(join(root, 'folder/deeper'), { recursive: true });
  mkdirSync(join(outside, 'root-beside'));
  for (const name of INSIDE) writeFileSync(join(root, name), name);
  writeFileSync(join(root, '.hidden'), 'hidden');
  writeFileSync(join(root, 'back\\slash'), 'hidden');
  writeFileSync(join(outside, 'secret'), 'secret');
  writeFileSync(join(outside, 'root-beside/secret'), 'secret');
  symlinkSync('file', join(root, 'link-in'));
  symlinkSync('folder', join(root, 'folder-in'));
  symlinkSync(join(root, 'folder'), join(root, 'folder/deeper/up'));
  symlinkSync('../secret', join(root, 'link-out'));
  symlinkSync('..', join(root, 'folder-out'));
  symlinkSync('../root-beside', join(root, 'beside'));
  symlinkSync('../root/file', join(root, 'link-out-and-in'));
  symlinkSync('/dev/null', join(root, 'device'));
  symlinkSync('nowhere', join(root, 'broken'));
  spawnSync('mkfifo', [join(root, 'fifo')]);
  await new Promise<void>((done) => socket.listen(join(root, 'socket'), done));
});

afterAll(async () => {
  await new Promise((done) => socket.close(done));
  rmSync(outside, { recursive: true, force: true });
});

/** The code of the error that something throws, or its result. */
async function outcome<T>(work: () => T | Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DepotError) return error.code;
    throw error;
  }
}

/** The plain model: decode, then walk the segments with a stack. */
function modelOf(path: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return 'BAD_REQUEST';
  }
  if (decoded.includes('\0')) return 'BAD_REQUEST';
  const stack: string[] = [];
  for (const segment of decoded.split('/')) {
    if (segment === '..' && stack.length === 0) return 'NOT_FOUND';
    if (segment === '..') stack.pop();
    else if (segment !== '' && segment !== '.') {
      if (segment.startsWith('.') || segment.includes('\\')) return 'NOT_FOUND';
      stack.push(segment);
    }
  }
  return `/${stack.join('/')}`;
}

const atom = fc.constantFrom(
  ...[
    '.',
    '..',
    '...',
    '.hidden',
    '',
    'file',
    'a:b',
    'a%3Ab',
    'folder',
    'deeper',
    'link-in',
    'folder-in',
    'up',
  ],
  ...[
    'link-out',
    'folder-out',
    'beside',
    'secret',
    'root',
    'root-beside',
    'device',
    'fifo',
    'socket',
    'broken',
  ],
  ...[
    '%2e',
    '%2e%2e',
    '%2E.',
    '%252e%252e',
    '%00',
    '%',
    '%zz',
    'back\\slash',
    'back%5Cslash',
    '..%5C..',
    '%c0%ae',
  ],
);
const separator = fc.constantFrom('/', '//', '%2F', '%2f', '/./', '\\');
const hostilePath = fc
  .array(fc.tuple(separator, atom), { maxLength: 8 })
  .map((pieces) => pieces.flat().join(''));

const friendlyPath = fc
  .tuple(
    fc.constantFrom(...INSIDE, 'folder-in/file', 'folder/deeper/up/file', 'folder'),
    separator,
    hostilePath,
  )
  .map(([name, between, more]) => `${name.split('/').join(between)}${more.length > 20 ? '' : more}`);

describe('a requested path', () => {
  test('means what the plain model says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(hostilePath, fc.string().map(encodeURI)), async (path) => {
        const parsed = await outcome(() => `/${parsePath(path).parts.join('/')}`);
        expect(parsed).toBe(modelOf(path));
      }),
      { numRuns: 3000 },
    );
  });

  test('leads to a file or folder below the root, or to an error, never elsewhere', async () => {
    const found = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.oneof(hostilePath, friendlyPath), async (path) => {
        const place = await outcome(() => resolveBelow(root, parsePath(path).parts, 'inside'));
        if (typeof place === 'string') {
          expect(['NOT_FOUND', 'BAD_REQUEST']).toContain(place);
          return;
        }
        const below = place.path.slice(root.length + 1);
        expect(place.path === root || place.path === join(root, below)).toBe(true);
        expect(place.stats.isDirectory() || INSIDE.includes(below)).toBe(true);
        expect(realpathSync(place.path)).toBe(place.path);
        found.add(below);
      }),
      { numRuns: 3000 },
    );
    expect([...found]).toEqual(expect.arrayContaining(['', 'file', 'a:b', 'folder', 'folder/file']));
  });

  test.each([
    ['/', true],
    ['', false],
    ['/file', false],
    ['/file/', true],
    ['/file%2F', true],
    ['/folder/.', true],
    ['/folder/..', true],
  ])('%p can only mean a folder: %p', (path, folder) => {
    expect(parsePath(path).folder).toBe(folder);
  });
});

describe('links, devices and the like', () => {
  const find = (name: string, symlinks: 'inside' | 'follow') =>
    outcome(async () => (await resolveBelow(root, name.split('/'), symlinks)).path.slice(outside.length));

  test.each([
    ['link-in', '/root/file', '/root/file'],
    ['folder-in/file', '/root/folder/file', '/root/folder/file'],
    ['folder/deeper/up/file', '/root/folder/file', '/root/folder/file'],
    ['link-out-and-in', '/root/file', '/root/file'],
    ['link-out', 'NOT_FOUND', '/secret'],
    ['folder-out/secret', 'NOT_FOUND', '/secret'],
    ['folder-out/root/file', '/root/file', '/root/file'],
    ['beside/secret', 'NOT_FOUND', '/root-beside/secret'],
    ['broken', 'NOT_FOUND', 'NOT_FOUND'],
    ['device', 'NOT_FOUND', 'NOT_FOUND'],
    ['fifo', 'NOT_FOUND', 'NOT_FOUND'],
    ['socket', 'NOT_FOUND', 'NOT_FOUND'],
    ['file/x', 'NOT_FOUND', 'NOT_FOUND'],
    ['n'.repeat(256), 'NOT_FOUND', 'NOT_FOUND'],
    [Array(3000).fill('x').join('/'), 'NOT_FOUND', 'NOT_FOUND'],
  ])('%.40s: inside %p, follow %p', async (name, inside, follow) => {
    expect(await find(name, 'inside')).toBe(inside);
    expect(await find(name, 'follow')).toBe(follow);
  });
});

describe('opening', () => {
  test('a regular file gives the file and its stats', async () => {
    const { handle, stats } = await openRegularFile(join(root, 'file'));
    expect(await handle.readFile('utf8')).toBe('file');
    expect(stats.size).toBe(4);
    await handle.close();
  });

  test.each(['fifo', 'device', 'folder', 'link-in', 'missing'])(
    '%s is refused, and does not block',
    async (name) => {
      expect(await outcome(() => openRegularFile(join(root, name)))).toBe('NOT_FOUND');
    },
  );
});
