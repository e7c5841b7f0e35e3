/** Users of the registry, and the reference registry with the same file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { listUsers, removeUser, setUser } from '../../server/index.js';
import { describeWith } from '../clients/programs.js';
import { bootdepot, mustBootdepot } from '../fixtures/command.js';
import { freePort } from '../fixtures/running-depot.js';
import { basic } from '../fixtures/users.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-users-'));
  path = join(folder, 'users.htpasswd');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('users are added, listed and removed; other lines stay', async () => {
  writeFileSync(path, '# people\nold:{SHA}x\n', { mode: 0o640 });
  writeFileSync(join(folder, 'password'), 'correct horse\nnot this\n');
  expect(mustBootdepot(folder, ['user', 'add', 'anna', '--password-file', 'password'])).toContain(
    'added anna',
  );
  expect(await setUser(path, 'ben', 'one')).toBe(false);
  expect(await setUser(path, 'ben', 'two')).toBe(true);
  const text = readFileSync(path, 'utf8');
  expect(text).toMatch(/^# people\nold:\{SHA\}x\nanna:\$2y\$10\$\S{53}\nben:\$2y\$10\$\S{53}\n$/);
  expect(statSync(path).mode & 0o777).toBe(0o640);
  const listed = bootdepot(folder, ['user', 'list']);
  expect([listed.out, listed.talk]).toEqual(['anna\nben\n', expect.stringContaining('line 2 (old)')]);
  await removeUser(path, 'anna');
  expect((await listUsers(path)).users).toEqual(['ben']);
  await expect(removeUser(path, 'anna')).rejects.toMatchObject({ code: 'NOT_FOUND' });
}, 30_000);

test.each([
  ['a b', 'x'],
  ['a:b', 'x'],
  ['#a', 'x'],
  ['*', 'x'],
  ['anyone', 'x'],
  ['anna', ''],
  ['anna', 'x'.repeat(73)],
])('the user %j with the password %j is refused', async (user, password) => {
  await expect(setUser(path, user, password)).rejects.toMatchObject({ code: 'USAGE' });
});

test('a new file is readable by its owner alone', async () => {
  await setUser(path, 'anna', 'x');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

describeWith(['docker-registry'], 'docker-registry', () => {
  test('lets in whom we have added', async () => {
    await setUser(path, 'anna', 'correct horse');
    const addr = `127.0.0.1:${await freePort()}`;
    const config = {
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(folder, 'registry') } },
      http: { addr },
      auth: { htpasswd: { realm: 'test', path } },
    };
    writeFileSync(join(folder, 'config.yml'), JSON.stringify(config));
    const child: ChildProcess = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
      stdio: 'ignore',
    });
    try {
      const ask = (password: string) =>
        fetch(`http://${addr}/v2/`, { headers: basic('anna', password) }).catch(() => undefined);
      let answer = await ask('correct horse');
      for (let tries = 0; tries < 200 && answer === undefined; tries += 1) {
        await new Promise((wake) => setTimeout(wake, 50));
        answer = await ask('correct horse');
      }
      expect(answer?.status).toBe(200);
      expect((await ask('wrong'))?.status).toBe(401);
    } finally {
      child.kill('SIGKILL');
    }
  }, 30_000);
});
