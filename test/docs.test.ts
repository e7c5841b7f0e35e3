/** The documentation points to things that are there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';

const PAGES = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

test.each(PAGES)('every link and every source file named in %s exists', (page) => {
  const text = readFileSync(page, 'utf8');
  const links = [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target = '']) => target);
  const local = links.filter((target) => !/^\w+:/.test(target)).map((target) => join(dirname(page), target));
  const named = [...text.matchAll(/`((?:server|scripts|test|bench|docs)\/[\w./-]+\.\w+)`/g)].map(
    ([, path = '']) => path,
  );
  const missing = [...local, ...named].filter((path) => !existsSync(path));
  expect(missing).toEqual([]);
});
