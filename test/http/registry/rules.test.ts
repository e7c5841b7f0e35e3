/** Who may do what with which repository, and what those who may not read get to know of it: nothing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type LiveDepot, startLiveDepot } from '../../fixtures/live-depot.js';
import { startReceiver } from '../../fixtures/receiver.js';
import { codesOf, digestOf, imageOf, OCI_IMAGE, RegistryClient } from '../../fixtures/registry-client.js';
import { until } from '../../fixtures/until.js';
import { basic, writeUsers } from '../../fixtures/users.js';

const ANNA = basic('anna', 'a');
const BERT = basic('bert', 'b');
const SECRET = Buffer.from('a secret layer');
const IMAGE = imageOf([SECRET]);

let folder: string;
let depot: LiveDepot;
let client: RegistryClient;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bootdepot-rules-'));
  const users = join(folder, 'users.htpasswd');
  writeUsers(users, { anna: 'a', bert: 'b' });
  const rules = [
    { repositories: 'team-a/**', read: ['anna'], push: ['anna'], delete: ['anna'] },
    { repositories: 'inside/*', read: ['*'] },
  ];
  const settings = {
    'registry.write': 'anyone',
    'registry.users': users,
    'registry.rules': rules,
    'registry.delete': true,
  };
  depot = await startLiveDepot({ settings });
  client = new RegistryClient(`http://127.0.0.1:${depot.port}`);
  await pushAs('team-a/app', ANNA);
  await client.push('open/app', 'v1', imageOf(['an open layer']));
  await client.push('inside/app', 'v1', imageOf(['an inner layer']));
});
afterAll(async () => {
  await depot.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function pushAs(name: string, login: Record<string, string>): Promise<void> {
  for (const blob of IMAGE.blobs) {
    const query = `?digest=${digestOf(blob)}`;
    expect((await client.ask('POST', `${name}/blobs/uploads/${query}`, blob, login)).status).toBe(201);
  }
  const headers = { ...login, 'Content-Type': OCI_IMAGE };
  expect((await client.ask('PUT', `${name}/manifests/v1`, IMAGE.manifest, headers)).status).toBe(201);
}

test('the pages for eyes, where nobody logs in, show what anybody may read', async () => {
  const page = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${depot.port}${path}`, { headers: ANNA });
    return { status: answer.status, text: await answer.text() };
  };
  const { text } = await page('/');
  expect(text).toContain('/repositories/open/app"');
  expect(text).not.toMatch(/team-a|inside/);
  expect(await page('/repositories/team-a/app')).toEqual(await page('/repositories/team-a/missing'));
  expect((await page('/repositories/open/app')).status).toBe(200);
});

test('the log and the notifications name the user, and hold no password', async () => {
  const receiver = await startReceiver();
  const notifications = [{ name: 'hook', url: receiver.url }];
  const settings = {
    'registry.write': 'users',
    'registry.users': join(folder, 'users.htpasswd'),
    'registry.notifications': notifications,
  };
  const other = await startLiveDepot({ settings });
  try {
    const path = `a/blobs/uploads/?digest=${digestOf(SECRET)}`;
    await new RegistryClient(`http://127.0.0.1:${other.port}`).ask('POST', path, SECRET, {
      ...basic('anna', 'a'),
      'X-Forwarded-For': '10.0.0.1',
    });
    await until(() => receiver.received.length === 1 && other.log().some(({ status }) => status === 201));
    expect(other.log()).toContainEqual(
      expect.objectContaining({ repository: 'a', user: 'anna', status: 201 }),
    );
    expect(JSON.parse(receiver.received[0]?.body ?? '').events[0].actor).toEqual({ name: 'anna' });
    const password = ANNA.Authorization ?? 'none';
    expect(JSON.stringify([other.log(), receiver.received])).not.toContain(password);
  } finally {
    await other.remove();
    await receiver.close();
  }
});

describe('what a rule keeps for some', () => {
  const reads = [
    'team-a/app/manifests/v1',
    'team-a/app/tags/list',
    `team-a/app/blobs/${digestOf(SECRET)}`,
    `team-a/app/referrers/${IMAGE.digest}`,
  ];

  test.each(reads)('%s', async (path) => {
    for (const method of ['GET', 'HEAD']) {
      const answers = await Promise.all(
        [{}, BERT, ANNA].map((login) => client.ask(method, path, undefined, login)),
      );
      expect(answers.map(({ status }) => status)).toEqual([401, 403, 200]);
      expect(answers[0]?.headers.get('www-authenticate')).toBe('Basic realm="bootdepot"');
    }
    expect(await codesOf(await client.get(path))).toEqual(['UNAUTHORIZED']);
    expect(await codesOf(await client.get(path, BERT))).toEqual(['DENIED']);
  });

  test('is kept from others also when it was just given to one', async () => {
    for (const path of [reads[0] ?? '', reads[2] ?? '']) {
      // Often enough to be answered from memory: files must have been left alone for a moment.
      for (let count = 0; count < 15; count += 1) {
        const answers = [ANNA, BERT, {}].map((login) => client.get(path, login));
        expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 403, 401]);
        await sleep(20);
      }
    }
  });

  test('is not pushed to or deleted by others, and what is not there looks the same', async () => {
    const manifest = `team-a/app/manifests/${IMAGE.digest}`;
    for (const [method, path] of [
      ['POST', 'team-a/app/blobs/uploads/'],
      ['PUT', 'team-a/app/manifests/v1'],
      ['DELETE', manifest],
      ['DELETE', `team-a/app/blobs/${digestOf(SECRET)}`],
      ['GET', 'team-a/none/manifests/v1'],
    ] as const) {
      expect((await client.ask(method, path)).status).toBe(401);
      expect((await client.ask(method, path, undefined, BERT)).status).toBe(403);
    }
  });

  test('is in the catalog of those who may read it', async () => {
    const listed = async (login: Record<string, string>) =>
      JSON.parse(await (await client.get('_catalog', login)).text()).repositories;
    expect(await listed({})).toEqual(['open/app']);
    expect(await listed(BERT)).toEqual(['inside/app', 'open/app']);
    expect(await listed(ANNA)).toEqual(['inside/app', 'open/app', 'team-a/app']);
    const page = await client.get('_catalog?n=1', BERT);
    expect([JSON.parse(await page.text()).repositories, page.headers.get('link')]).toEqual([
      ['inside/app'],
      '</v2/_catalog?n=1&last=inside%2Fapp>; rel="next"',
    ]);
  });

  test('asks a client to log in at the base', async () => {
    const answer = await client.get('');
    expect([answer.status, answer.headers.get('www-authenticate')?.slice(0, 6)]).toEqual([401, 'Bearer']);
    expect((await client.get('', BERT)).status).toBe(200);
  });
});

describe('a mount', () => {
  const mount = (name: string, query: string, login: Record<string, string>) =>
    client.ask('POST', `${name}/blobs/uploads/?mount=${digestOf(SECRET)}${query}`, undefined, login);

  test('from a repository that the caller may not read finds nothing', async () => {
    expect((await mount('open/a', '&from=team-a/app', BERT)).status).toBe(202);
    expect((await mount('open/a', '&from=team-a/app', {})).status).toBe(202);
    expect((await mount('open/b', '&from=team-a/app', ANNA)).status).toBe(201);
  });

  test('from anywhere finds what some repository has that the caller may read', async () => {
    expect((await mount('open/c', '', ANNA)).status).toBe(201);
    const only = imageOf(['a layer of team-a alone']);
    const blob = only.blobs[1] ?? Buffer.alloc(0);
    const query = `?digest=${digestOf(blob)}`;
    expect((await client.ask('POST', `team-a/app/blobs/uploads/${query}`, blob, ANNA)).status).toBe(201);
    const elsewhere = (login: Record<string, string>) =>
      client.ask('POST', `open/d/blobs/uploads/?mount=${digestOf(blob)}`, undefined, login);
    expect([(await elsewhere({})).status, (await elsewhere(BERT)).status]).toEqual([202, 202]);
    expect((await elsewhere(ANNA)).status).toBe(201);
  });
});

test('who may delete may, and without registry.delete nobody', async () => {
  const other = await startLiveDepot({ settings: { 'registry.write': 'anyone' } });
  const answer = await new RegistryClient(`http://127.0.0.1:${other.port}`).ask('DELETE', 'a/manifests/v1');
  await other.remove();
  expect([answer.status, await codesOf(answer)]).toEqual([405, ['UNSUPPORTED']]);
  await pushAs('team-a/gone', ANNA);
  const path = 'team-a/gone/manifests/v1';
  expect((await client.ask('DELETE', path, undefined, ANNA)).status).toBe(202);
  expect((await client.get(path, ANNA)).status).toBe(404);
});

describe('a rule that cannot be right is refused at the start', () => {
  test.each([
    ['an open bracket', { repositories: 'team-{a,b/**' }, /pattern of repository names/],
    ['capitals, which no repository has', { repositories: 'Team/**' }, /pattern of repository names/],
    ['a slash in front', { repositories: '/team' }, /pattern of repository names/],
    ['an unknown action', { repositories: 'a', pull: ['anna'] }, /unknown key pull/],
    ['no list of users', { repositories: 'a', read: 'anna' }, /a list of users/],
    ['a name that no user has', { repositories: 'a', read: ['an:na'] }, /the name of a user/],
    ['no repositories', { read: ['anna'] }, /pattern of repository names/],
  ])('%s', async (_, rule, message) => {
    const error = await startLiveDepot({ settings: { 'registry.rules': [rule] } }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) });
  });
});
